/* SPDX-License-Identifier: MIT */
#include "wire/json.h"

#include <stdint.h>
#include <string.h>

/* Whether the next byte is one of the set. NUL is in no set. */
static int at_one_of(const struct json *j, const char *set)
{
    return j->at < j->end && *j->at && strchr(set, *j->at);
}

void json_space(struct json *j)
{
    while (at_one_of(j, " \t\r\n"))
        j->at++;
}

int json_char(struct json *j, char c)
{
    json_space(j);
    if (j->at == j->end || *j->at != c)
        return 0;
    j->at++;
    json_space(j);
    return 1;
}

/* --- strings --- */

/* The number of four hex digits; -1: there are none. */
static long get_hex(struct json *j)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    long value = 0;
    int i;

    for (i = 0; i < 4; i++) {
        if (!at_one_of(j, digits))
            return -1;
        value = value << 4 | (strchr(digits, *j->at++) - digits) % 16;
    }
    return value;
}

static void put_utf8(struct buf *out, uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, i;
    char s[4];

    for (i = n - 1; i > 0; i--, c >>= 6)
        s[i] = (char)(0x80 | (c & 0x3f));
    s[0] = (char)(n == 1 ? c : (0xff00u >> n & 0xffu) | c);
    buf_put(out, s, n);
}

/* The second half of a surrogate pair, with its escape; -1: it is not here. */
static long get_low_half(struct json *j)
{
    long c;

    if (j->end - j->at < 6 || memcmp(j->at, "\\u", 2) != 0)
        return -1;
    j->at += 2;
    c = get_hex(j);
    return c >= 0xdc00 && c < 0xe000 ? c : -1;
}

/* Reads the text behind "\u". */
static int get_unicode(struct json *j, struct buf *out)
{
    const char *escape = j->at - 2;
    long c = get_hex(j), low;

    if (c < 0)
        return 0;
    if (c >= 0xd800 && c < 0xe000) {
        low = c < 0xdc00 ? get_low_half(j) : -1;
        if (low < 0) {
            j->at = escape;
            j->flaw = "half of a surrogate pair";
            return 0;
        }
        c = 0x10000 + (c - 0xd800) * 0x400 + (low - 0xdc00);
    }
    put_utf8(out, (uint32_t)c);
    return 1;
}

/* Reads the text behind a backslash. */
static int get_escape(struct json *j, struct buf *out)
{
    static const char names[] = "\"\\/bfnrtu", means[] = "\"\\/\b\f\n\r\t";
    const char *name;

    if (!at_one_of(j, names))
        return 0;
    name = strchr(names, *j->at++);
    if (*name == 'u')
        return get_unicode(j, out);
    buf_put(out, means + (name - names), 1);
    return 1;
}

int json_text(struct json *j, struct buf *out)
{
    const char *run;

    json_space(j);
    if (!at_one_of(j, "\""))
        return 0;
    for (j->at++;;) {
        for (run = j->at; j->at < j->end && (unsigned char)*j->at >= 0x20; j->at++) {
            if (*j->at == '"' || *j->at == '\\')
                break;
        }
        buf_put(out, run, (size_t)(j->at - run));
        if (j->at == j->end || (unsigned char)*j->at < 0x20)
            return 0;
        if (*j->at++ == '"')
            break;
        if (!get_escape(j, out))
            return 0;
    }
    json_space(j);
    return 1;
}

/* --- values that are skipped --- */

static int skip_value(struct json *j, struct buf *nowhere, int depth);

/* Skips the members of an array or an object, with its closing bracket. */
static int skip_list(struct json *j, struct buf *nowhere, char close, int depth)
{
    if (depth == JSON_MAX_DEPTH)
        return 0;
    if (json_char(j, close))
        return 1;
    do {
        if (close == '}' && !(json_text(j, nowhere) && json_char(j, ':')))
            return 0;
        if (!skip_value(j, nowhere, depth + 1))
            return 0;
    } while (json_char(j, ','));
    return json_char(j, close);
}

static int skip_value(struct json *j, struct buf *nowhere, int depth)
{
    const char *from;

    json_space(j);
    if (at_one_of(j, "\""))
        return json_text(j, nowhere);
    if (json_char(j, '{'))
        return skip_list(j, nowhere, '}', depth);
    if (json_char(j, '['))
        return skip_list(j, nowhere, ']', depth);
    from = j->at; /* a number, true, false or null */
    while (at_one_of(j, "+-.0123456789eEtrufalsn"))
        j->at++;
    if (j->at == from)
        return 0;
    json_space(j);
    return 1;
}

int json_skip(struct json *j)
{
    struct buf nowhere;
    int ok;

    buf_init(&nowhere, 1);
    nowhere.failed = ERR_TOOBIG; /* so appends do nothing */
    ok = skip_value(j, &nowhere, 0);
    buf_deinit(&nowhere);
    return ok;
}
