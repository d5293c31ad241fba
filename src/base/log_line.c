/* SPDX-License-Identifier: MIT */
#include "base/log_line.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"

enum {
    TIME_BYTES = 40,
    NAME_BYTES = 64,
    ESCAPE_BYTES = 6,
    LEAST_BYTES = 40 /* of room for a value, and what is around it */
};

static const char digits[] = "0123456789abcdef";

static atomic_int form = LOG_TEXT; /* atomic */

static const char *const form_names[] = {"text", "json"};

void log_line_set_format(enum log_format format)
{
    atomic_store(&form, (int)format);
}

enum log_format log_line_format(void)
{
    return (enum log_format)atomic_load_explicit(&form, memory_order_relaxed);
}

int log_line_format_from_name(const char *name)
{
    int i;

    for (i = 0; i < (int)(sizeof(form_names) / sizeof(form_names[0])); i++)
        if (strcmp(form_names[i], name) == 0)
            return i;
    return -1;
}

/* Writes the present time, such as 2026-01-31T23:59:59.999Z. */
static void put_time(char out[TIME_BYTES])
{
    const struct timespec now = clock_real_wall();
    struct tm tm;
    size_t n;

    gmtime_r(&now.tv_sec, &tm);
    n = strftime(out, TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, TIME_BYTES - n, ".%03ldZ", now.tv_nsec / 1000000);
}

static size_t put_text(char *line, const char *level, const char *mod, const char *msg,
                       const char *pairs)
{
    char now[TIME_BYTES];
    int n;

    put_time(now);
    n = snprintf(line, LOG_LINE_BYTES, "time=%s level=%s mod=%s msg=\"%s\"%s%s", now, level, mod,
                 msg, *pairs ? " " : "", pairs);
    if (n > LOG_LINE_BYTES - 1)
        n = LOG_LINE_BYTES - 1;
    line[n++] = '\n';
    return (size_t)n;
}

/* --- JSON --- */

/* The length of the character at s; bytes of a string that is no UTF-8 are characters of their own.
 */
static size_t length_at(const unsigned char *s, size_t n, int is_utf8)
{
    size_t len = *s < 0x80 || !is_utf8 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;

    return len < n ? len : n;
}

/* Writes a character, in at most ESCAPE_BYTES. Returns the place behind it. */
static char *put_char(char *at, const unsigned char *s, size_t len)
{
    if (len > 1 || (*s >= 0x20 && *s < 0x7f && *s != '"' && *s != '\\')) {
        memcpy(at, s, len);
        return at + len;
    }
    *at++ = '\\';
    *at++ = 'u';
    *at++ = '0';
    *at++ = '0';
    *at++ = digits[*s >> 4];
    *at++ = digits[*s & 15];
    return at;
}

static char *put_string(char *at, const char *end, const void *bytes, size_t n)
{
    int is_utf8 = utf8_valid(bytes, n);
    const unsigned char *s = bytes;
    size_t i = 0, len;

    *at++ = '"';
    while (i < n && end - at >= ESCAPE_BYTES + (long)strlen("...\"")) {
        len = length_at(s + i, n - i, is_utf8);
        at = put_char(at, s + i, len);
        i += len;
    }
    if (i < n) {
        memcpy(at, "...", 3);
        at += 3;
    }
    *at++ = '"';
    return at;
}

/* Writes the begin of a member; NULL: it has no place. */
static char *put_name(char *at, const char *end, const char *name)
{
    size_t n = strlen(name);

    if (end - at < (long)n + LEAST_BYTES)
        return NULL;
    if (at[-1] != '{')
        *at++ = ',';
    *at++ = '"';
    memcpy(at, name, n);
    at += n;
    *at++ = '"';
    *at++ = ':';
    return at;
}

char *log_line_json(char *at, const char *end, const char *name, const void *bytes, size_t n)
{
    char *value = put_name(at, end, name);

    return value ? put_string(value, end, bytes, n) : at;
}

char *log_line_json_begin(char *at)
{
    char now[TIME_BYTES];

    put_time(now);
    *at++ = '{';
    return log_line_json(at, at + 2 * TIME_BYTES, "time", now, strlen(now));
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes back what log_quote() has done to n bytes. Returns the length of out. */
static size_t unquote(char *out, const char *s, size_t n)
{
    size_t i = 0, len = 0;

    while (i < n) {
        if (n - i >= 4 && s[i] == '\\' && s[i + 1] == 'x' && hex(s[i + 2]) >= 0 &&
            hex(s[i + 3]) >= 0) {
            out[len++] = (char)(hex(s[i + 2]) << 4 | hex(s[i + 3]));
            i += 4;
        } else {
            out[len++] = s[i++];
        }
    }
    return len;
}

/* Whether the text is a number as JSON has it, without an exponent; or true, or false. */
static int is_bare(const char *s, size_t n)
{
    size_t i = n && *s == '-', figures = 0, point = 0;

    if ((n == 4 && !memcmp(s, "true", 4)) || (n == 5 && !memcmp(s, "false", 5)))
        return 1;
    if (i + 1 < n && s[i] == '0' && s[i + 1] != '.')
        return 0;
    for (; i < n; i++) {
        if (s[i] >= '0' && s[i] <= '9') {
            figures++;
        } else if (s[i] == '.' && figures && !point && i + 1 < n) {
            point = 1;
        } else {
            return 0;
        }
    }
    return figures > 0;
}

/* The name of a pair, which is none of those that each line has. */
static void name_of(char out[NAME_BYTES], const char *name, size_t n)
{
    static const char *const ours[] = {"time", "level", "mod", "msg"};
    size_t i, len = 0;
    int taken = 0;

    for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        taken |= n == strlen(ours[i]) && !memcmp(name, ours[i], n);
    for (i = 0; i < n && len < NAME_BYTES - 2; i++) {
        unsigned char c = (unsigned char)name[i];

        out[len++] = c >= 0x20 && c < 0x7f && c != '"' && c != '\\' ? name[i] : '_';
    }
    if (taken)
        out[len++] = '_';
    out[len] = '\0';
}

/* Writes a pair. Returns the place behind it, or NULL: the line is full. */
static char *put_pair(char *at, const char *end, const char *name, const char *value, size_t n,
                      int quoted)
{
    char bytes[LOG_LINE_BYTES], *behind;
    size_t len;

    if (!quoted && is_bare(value, n) && n < LEAST_BYTES - sizeof(",\"\":")) {
        behind = put_name(at, end, name);
        if (behind) {
            memcpy(behind, value, n);
            behind += n;
        }
        return behind;
    }
    len = unquote(bytes, value, n < sizeof(bytes) ? n : sizeof(bytes));
    behind = log_line_json(at, end, name, bytes, len);
    return behind == at ? NULL : behind;
}

/* The end of the value at s. A value without quotes that has a space goes on to the next name. */
static const char *end_of(const char *s)
{
    const char *end = s + strcspn(s, " "), *next;

    while (*end) {
        next = end + 1 + strcspn(end + 1, " =");
        if (*next == '=' || !end[1])
            break;
        end = next;
    }
    return end;
}

static char *put_pairs(char *at, const char *end, const char *s)
{
    while (*s) {
        char name[NAME_BYTES], *next;
        const char *value = strchr(s, '='), *stop;
        int quoted;

        if (!value)
            break;
        name_of(name, s, (size_t)(value - s));
        value++;
        quoted = *value == '"';
        value += quoted;
        stop = quoted ? value + strcspn(value, "\"") : end_of(value);
        next = put_pair(at, end, name, value, (size_t)(stop - value), quoted);
        if (!next)
            break;
        at = next;
        s = stop + (quoted && *stop);
        s += *s == ' ';
    }
    return at;
}

static size_t put_json(char *line, const char *level, const char *mod, const char *msg,
                       const char *pairs)
{
    enum { MSG_BYTES = 2000, MOD_BYTES = 100, END_BYTES = 2 };
    const char *end = line + (LOG_LINE_BYTES - END_BYTES);
    char text[LOG_LINE_BYTES], *at = log_line_json_begin(line);

    at = log_line_json(at, end, "level", level, strlen(level));
    at = log_line_json(at, at + MOD_BYTES, "mod", mod, strlen(mod));
    at = log_line_json(at, at + MSG_BYTES, "msg", text,
                       unquote(text, msg, strnlen(msg, sizeof(text))));
    at = put_pairs(at, end, pairs);
    memcpy(at, "}\n", END_BYTES);
    return (size_t)(at + END_BYTES - line);
}

size_t log_line_put(char *line, const char *level, const char *mod, const char *msg,
                    const char *pairs)
{
    return log_line_format() == LOG_JSON ? put_json(line, level, mod, msg, pairs)
                                         : put_text(line, level, mod, msg, pairs);
}
