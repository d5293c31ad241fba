/* SPDX-License-Identifier: MIT */
#include "base/pct.h"

static int unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static int is_dots(const unsigned char *s, size_t n)
{
    return (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.');
}

enum err pct_encode(struct buf *out, const void *bytes, size_t n)
{
    static const char hex[] = "0123456789ABCDEF";
    const unsigned char *s = bytes;
    int dots = is_dots(s, n);
    enum err err = buf_reserve(out, 3 * n);
    size_t i;

    if (err)
        return err;
    for (i = 0; i < n; i++) {
        if (unreserved(s[i]) && !dots) {
            out->data[out->len++] = (char)s[i];
        } else {
            out->data[out->len++] = '%';
            out->data[out->len++] = hex[s[i] >> 4];
            out->data[out->len++] = hex[s[i] & 15];
        }
    }
    return ERR_OK;
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes that stand for themselves. */
static const unsigned char plain[256] = {
    [0x21 ... '$'] = 1, ['&' ... '*'] = 1, [',' ... 0x7e] = 1, [0x80 ... 0xff] = 1};

ssize_t pct_decode(char *out, const char *text, size_t n, int plus_is_space)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t i, o = 0;

    for (i = 0; i < n; i++) {
        if (plain[s[i]]) {
            out[o++] = (char)s[i];
            continue;
        }
        if (s[i] <= 0x20 || s[i] == 0x7f)
            return -1;
        if (s[i] == '%') {
            int high = i + 2 < n ? hex_value(s[i + 1]) : -1;
            int low = i + 2 < n ? hex_value(s[i + 2]) : -1;

            if (high < 0 || low < 0)
                return -1;
            out[o++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[o++] = plus_is_space ? ' ' : '+';
        }
    }
    return (ssize_t)o;
}
