/* SPDX-License-Identifier: MIT */
#include "http/conditional.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "cache/item.h"

static const char *skip_space(const char *s)
{
    return s + strspn(s, " \t");
}

/* Steps over the digits. A number that does not fit becomes UINT64_MAX: a range ends with its
 * value, and such an age is as good as endless. NULL: no digits. */
static const char *get_number(const char *s, uint64_t *out)
{
    size_t n = num_digits(s);

    num_parse_u64(s, n, UINT64_MAX, out);
    return n ? s + n : NULL;
}

uint64_t conditional_etag(const void *value, size_t n)
{
    return item_tag_of(value, n);
}

void conditional_etag_print(uint64_t tag, char out[ETAG_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    int i;

    out[0] = out[17] = '"';
    out[18] = '\0';
    for (i = 16; i > 0; i--, tag >>= 4)
        out[i] = digits[tag & 15];
}

static int matches(const char *list, const char *etag, int strongly)
{
    size_t n = etag ? strlen(etag) : 0;
    const char *end;
    int weak;

    list = skip_space(list);
    if (*list == '*')
        return *skip_space(list + 1) == '\0';
    for (; n;) {
        list += strspn(list, " \t,");
        weak = strncmp(list, "W/", 2) == 0;
        if (weak)
            list += 2;
        end = *list == '"' ? strchr(list + 1, '"') : NULL;
        if (!end)
            break;
        if ((size_t)(end + 1 - list) == n && memcmp(list, etag, n) == 0 && !(weak && strongly))
            return 1;
        list = end + 1;
    }
    return 0;
}

int conditional_etag_matches(const char *list, const char *etag)
{
    return matches(list, etag, 0);
}

int conditional_etag_matches_strongly(const char *list, const char *etag)
{
    return matches(list, etag, 1);
}

int conditional_etag_is(const char *text, const char *etag)
{
    size_t n = etag ? strlen(etag) : 0;

    text = skip_space(text);
    return n && strncmp(text, etag, n) == 0 && *skip_space(text + n) == '\0';
}

enum range conditional_range(const char *text, uint64_t n, uint64_t *first, uint64_t *last)
{
    uint64_t from, to = UINT64_MAX, suffix;
    const char *s;

    if (!text || strncasecmp(text, "bytes=", 6) != 0)
        return RANGE_WHOLE;
    text = skip_space(text + 6);
    if (*text == '-') {
        s = get_number(text + 1, &suffix);
        if (!s || *skip_space(s) || (n == 0 && suffix))
            return RANGE_WHOLE;
        from = suffix < n ? n - suffix : 0;
        if (!suffix)
            return RANGE_NONE;
    } else {
        s = get_number(text, &from);
        if (!s || *s++ != '-')
            return RANGE_WHOLE;
        if (*skip_space(s)) {
            s = get_number(s, &to);
            if (!s || *skip_space(s) || to < from)
                return RANGE_WHOLE;
        }
    }
    if (from >= n)
        return RANGE_NONE;
    *first = from;
    *last = to < n ? to : n - 1;
    return RANGE_PART;
}

int conditional_cut(int status, const char *range, const char **bytes, size_t *n,
                    char text[CONDITIONAL_RANGE_TEXT])
{
    unsigned long long size = *n;
    uint64_t first, last;

    text[0] = '\0';
    switch (conditional_range(range, *n, &first, &last)) {
    case RANGE_PART:
        *bytes += first;
        *n = (size_t)(last - first + 1);
        snprintf(text, CONDITIONAL_RANGE_TEXT, "bytes %llu-%llu/%llu", (unsigned long long)first,
                 (unsigned long long)last, size);
        return 206;
    case RANGE_NONE:
        *n = 0;
        snprintf(text, CONDITIONAL_RANGE_TEXT, "bytes */%llu", size);
        return 416;
    default:
        return status;
    }
}

int conditional_max_age(const char *text, uint64_t *seconds)
{
    static const char name[] = "max-age";
    size_t n = strlen(name);

    while (text && *text) {
        text += strspn(text, " \t,");
        if (strncasecmp(text, name, n) == 0 && strchr("= \t,", text[n])) {
            text = skip_space(text + n);
            if (*text++ != '=')
                return -1;
            text = get_number(*text == '"' ? text + 1 : text, seconds);
            return text && strchr("\", \t", *text) ? 1 : -1;
        }
        text += strcspn(text, ",\"");
        if (*text == '"') { /* a quoted value may have commas */
            text = strchr(text + 1, '"');
            if (text)
                text++;
        }
    }
    return 0;
}
