/* SPDX-License-Identifier: MIT */
#include "base/json_out.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/utf8.h"

/* --- strings --- */

static int is_plain(unsigned char c, enum json_out_style style)
{
    if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
        return 0;
    if (style == JSON_OUT_GO)
        return c != '<' && c != '>' && c != '&' && c != 0xe2; /* the first byte of a line end */
    return c < 0x7f || style == JSON_OUT_UTF8;
}

/* Whether the next eight bytes are plain in every style but Go's. */
static int are_plain(const unsigned char *s)
{
    uint64_t w = utf8_word(s);

    return utf8_is_printable(w) && !utf8_has(w, '"') && !utf8_has(w, '\\');
}

/* Appends the character at s, which is not plain. Returns its length. */
static size_t put_special(struct buf *out, const unsigned char *s, size_t n,
                          enum json_out_style style)
{
    static const char named[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *name = *s ? strchr(named, *s) : NULL;

    if (style == JSON_OUT_GO && *s == 0xe2) {
        if (n < 3 || s[1] != 0x80 || (s[2] | 1) != 0xa9) {
            buf_put(out, s, 1);
            return 1;
        }
        buf_putf(out, "\\u20%02x", s[2] & 0x7fu);
        return 3;
    }
    if (name)
        buf_putf(out, "\\%c", names[name - named]);
    else
        buf_putf(out, "\\u%04x", *s);
    return 1;
}

void json_out_chars(struct buf *out, const void *bytes, size_t n, enum json_out_style style)
{
    const unsigned char *s = bytes;
    size_t i = 0, from = 0;

    while (i < n) {
        if (n - i >= UTF8_WORD && style != JSON_OUT_GO && are_plain(s + i)) {
            i += UTF8_WORD;
            continue;
        }
        if (is_plain(s[i], style)) {
            i++;
            continue;
        }
        if (i > from)
            buf_put(out, s + from, i - from);
        i += put_special(out, s + i, n - i, style);
        from = i;
    }
    if (n > from)
        buf_put(out, s + from, n - from);
}

void json_out_string(struct buf *out, const void *bytes, size_t n, enum json_out_style style)
{
    buf_put(out, "\"", 1);
    json_out_chars(out, bytes, n, style);
    buf_put(out, "\"", 1);
}

/* --- objects and lists --- */

static void put_name(struct json_out *j, const char *name)
{
    if (j->members++)
        buf_puts(j->out, ",");
    if (!name)
        return;
    json_out_string(j->out, name, strlen(name), JSON_OUT_BYTES);
    buf_puts(j->out, ":");
}

void json_out_begin(struct json_out *j, struct buf *out, char bracket)
{
    j->out = out;
    j->members = 0;
    j->end = bracket == '{' ? '}' : ']';
    buf_put(out, &bracket, 1);
}

void json_out_open(struct json_out *parent, const char *name, struct json_out *j, char bracket)
{
    put_name(parent, name);
    json_out_begin(j, parent->out, bracket);
}

void json_out_close(struct json_out *j)
{
    buf_put(j->out, &j->end, 1);
}

void json_out_number(struct json_out *j, const char *name, uint64_t n)
{
    put_name(j, name);
    buf_putf(j->out, "%llu", (unsigned long long)n);
}

void json_out_bool(struct json_out *j, const char *name, int is)
{
    put_name(j, name);
    buf_puts(j->out, is ? "true" : "false");
}

void json_out_text(struct json_out *j, const char *name, const char *text)
{
    put_name(j, name);
    json_out_string(j->out, text, strlen(text), JSON_OUT_BYTES);
}

void json_out_bytes(struct json_out *j, const char *name, const void *bytes, size_t n,
                    enum json_out_style style)
{
    put_name(j, name);
    json_out_string(j->out, bytes, n, style);
}

void json_out_error(struct json_out *j, const struct error *e)
{
    json_out_text(j, "error", e->msg);
    json_out_text(j, "code", err_name(e->code));
}

void json_out_raw(struct json_out *j, const char *name, const void *bytes, size_t n)
{
    put_name(j, name);
    buf_put(j->out, bytes, n);
}
