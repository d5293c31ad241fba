/* SPDX-License-Identifier: MIT */
#include "net/head.h"

#include <string.h>
#include <strings.h>

#include "base/token.h"

void head_init(struct head *h, int bodiless)
{
    memset(h, 0, sizeof(*h));
    h->bodiless = bodiless;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* How many bytes, eight at a time, s begins with that are no control bytes. A byte of a word is
 * below ' ' if the subtraction borrows. It is 0x7f if the exclusive or leaves 0. Source: Bit
 * Twiddling Hacks, "Determine if a word has a byte less than n". */
static size_t plain_words(const char *s, size_t n)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t w, del;
    size_t i;

    for (i = 0; i + 8 <= n; i += 8) {
        memcpy(&w, s + i, 8);
        del = w ^ ones * 0x7f;
        if ((((w - ones * ' ') & ~w) | ((del - ones) & ~del)) & tops)
            break;
    }
    return i;
}

/* A text or a value: no control byte but the tab. */
static int is_text(const char *s, size_t n)
{
    size_t i = plain_words(s, n);

    for (; i < n; i++)
        if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
            return 0;
    return 1;
}

/* "HTTP/1.1 200 OK", "HTTP/1.0 200" */
static const char *take_status(struct head *h, const char *s, size_t n)
{
    if (n < 12 || memcmp(s, "HTTP/1.", 7) != 0 || (s[7] != '0' && s[7] != '1') || s[8] != ' ')
        return "a status line that is not HTTP/1.1's";
    if (!is_digit(s[9]) || s[9] == '0' || !is_digit(s[10]) || !is_digit(s[11]) ||
        (n > 12 && s[12] != ' '))
        return "a status that is not a number of three digits";
    if (!is_text(s + 12, n - 12))
        return "a control byte in its status line";
    h->old = s[7] == '0';
    h->status = (s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0');
    if (h->status == 101)
        return "a change of protocol that nobody asked for";
    h->chunked = h->opaque = h->has_length = 0; /* after a 1xx another answer begins */
    h->length = 0;
    h->coding = HEAD_PLAIN;
    h->part = HEAD_FIELDS;
    return NULL;
}

static const char *take_length(struct head *h, const char *s, size_t n)
{
    uint64_t v = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        if (!is_digit(s[i]))
            return "a Content-Length that is not a number";
        if (v > (UINT64_MAX >> 1) / 10 - 9)
            return "a Content-Length that is too large to count";
        v = v * 10 + (uint64_t)(s[i] - '0');
    }
    if (!n)
        return "a Content-Length that is not a number";
    if (h->has_length && v != h->length)
        return "two different Content-Lengths";
    h->has_length = 1;
    h->length = v;
    return NULL;
}

static int has_word(const char *s, size_t n, const char *word)
{
    size_t i, len = strlen(word);

    for (i = 0; i + len <= n; i++)
        if (!strncasecmp(s + i, word, len))
            return 1;
    return 0;
}

static const char *take_encoding(struct head *h, const char *s, size_t n)
{
    if (h->any_coding && !h->old && !h->chunked && !h->opaque && !has_word(s, n, "chunked")) {
        h->opaque = 1;
        return NULL;
    }
    if (n != 7 || strncasecmp(s, "chunked", 7) != 0 || h->chunked || h->opaque)
        return "a Transfer-Encoding other than chunked";
    if (h->old)
        return "a Transfer-Encoding in an answer of HTTP/1.0";
    h->chunked = 1;
    return NULL;
}

static inline int is_word(const char *s, size_t n, const char *word)
{
    return n == strlen(word) && !strncasecmp(s, word, n);
}

/* If a body has two codings, neither is decoded. */
static enum head_coding take_coding(enum head_coding before, const char *s, size_t n)
{
    enum head_coding coding = HEAD_ENCODED;

    if (!n || is_word(s, n, "identity"))
        return before;
    if (is_word(s, n, "gzip") || is_word(s, n, "x-gzip"))
        coding = HEAD_GZIP;
    else if (is_word(s, n, "deflate"))
        coding = HEAD_DEFLATE;
    else if (is_word(s, n, "br"))
        coding = HEAD_BROTLI;
    else if (is_word(s, n, "zstd"))
        coding = HEAD_ZSTD;
    return before == HEAD_PLAIN ? coding : HEAD_ENCODED;
}

static const char *take_field(struct head *h, const char *line, size_t n)
{
    size_t name = token_len(line, n), from = name + 1, to = n;
    int of_length = is_word(line, name, "Content-Length");
    int of_encoding = is_word(line, name, "Transfer-Encoding");
    const char *flaw = NULL;

    if (line[0] == ' ' || line[0] == '\t')
        return "a folded header line";
    if (!name || name == n || line[name] != ':')
        return "a header line that is not \"Name: value\"";
    if (!is_text(line + from, n - from))
        return "a control byte in a header";
    if (h->part == HEAD_TRAILERS)
        return of_length || of_encoding ? "a length behind the body" : NULL;
    while (from < to && (line[from] == ' ' || line[from] == '\t'))
        from++;
    while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t'))
        to--;
    if (of_length)
        flaw = take_length(h, line + from, to - from);
    else if (of_encoding)
        flaw = take_encoding(h, line + from, to - from);
    else if (is_word(line, name, "Content-Encoding"))
        h->coding = take_coding(h->coding, line + from, to - from);
    if (!flaw && (h->chunked || h->opaque) && h->has_length)
        flaw = "both a Content-Length and a Transfer-Encoding";
    return flaw;
}

const char *head_line(struct head *h, const char *line, size_t n)
{
    h->bytes += n;
    h->lines++;
    if (h->bytes > HEAD_MAX_BYTES)
        return "its headers or trailers have no end";
    if (h->lines > HEAD_MAX_LINES)
        return "more than 1000 header lines";
    if (!n || line[n - 1] != '\n')
        return "a header line without an end";
    n--;
    if (n && line[n - 1] == '\r')
        n--;
    if (h->part == HEAD_STATUS)
        return take_status(h, line, n);
    if (n)
        return take_field(h, line, n);
    if (h->part == HEAD_FIELDS)
        h->part = h->status < 200 ? HEAD_STATUS : HEAD_TRAILERS;
    return NULL;
}

int head_has_body(const struct head *h)
{
    return !h->bodiless && h->status != 204 && h->status != 304 && !(h->has_length && !h->length);
}
