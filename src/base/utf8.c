/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

/* The length of the character of more than one byte at s, of which n are left; 0: there is none. */
static size_t long_character(const unsigned char *s, size_t n)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t len, i;

    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (n < len)
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (i = 2; i < len; i++) {
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    }
    return len;
}

static int is_utf8(const unsigned char *s, size_t n, int controls)
{
    size_t i = 0, len;

    while (i < n) {
        if (n - i >= UTF8_WORD && utf8_is_printable(utf8_word(s + i))) {
            i += UTF8_WORD;
            continue;
        }
        if (s[i] >= 0x20 && s[i] < 0x7f) {
            i++;
            continue;
        }
        if (s[i] < 0x80) {
            if (!controls && s[i] != '\t' && s[i] != '\n' && s[i] != '\r')
                return 0;
            len = 1;
        } else {
            len = long_character(s + i, n - i);
        }
        if (!len)
            return 0;
        i += len;
    }
    return 1;
}

int utf8_valid(const void *bytes, size_t n)
{
    return is_utf8(bytes, n, 1);
}

int utf8_is_text(const void *bytes, size_t n)
{
    return is_utf8(bytes, n, 0);
}
