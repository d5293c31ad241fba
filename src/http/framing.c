/* SPDX-License-Identifier: MIT */
#include "http/framing.h"

#include <microhttpd.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/token.h"
#include "wire/dialect.h"

enum { LENGTH_DIGITS = 18 }; /* fit 64 bits */

struct seen {
    struct framing *framing;
    int hosts, lengths, encodings, bad;
    const char *at; /* where the next header must begin; NULL: unknown */
};

static int read_length(const char *value, uint64_t *out)
{
    size_t n = value ? strlen(value) : 0;

    return n <= LENGTH_DIGITS && num_parse_u64(value, n, UINT64_MAX, out);
}

static int has_line_end(const char *text, size_t n)
{
    return n && (memchr(text, '\r', n) || memchr(text, '\n', n));
}

/* Behind CR and LF, which libmicrohttpd 0.9 has overwritten with zeros, or NULL if they are
 * missing. A bare LF is not enough: libmicrohttpd 1.0 refuses it, too. */
static const char *next_line(const char *at)
{
    return at[0] == '\0' && at[1] == '\0' ? at + 2 : NULL;
}

/* libmicrohttpd 0.9 reads a head in place, so each header begins where the header before it ends.
 * If a header does not, bytes were dropped or merged: the bytes behind a NUL, or a folded line, in
 * which another server may see a length. */
static int is_next(struct seen *s, const char *name, size_t name_len, const char *value,
                   size_t value_len)
{
    const char *at = next_line(s->at);

    if (!at || name != at)
        return 0;
    at += name_len + 1;
    while (*at == ' ' || *at == '\t')
        at++;
    if (value != at)
        return 0;
    s->at = value + value_len;
    return 1;
}

static void take(struct seen *s, const char *name, size_t name_len, const char *value)
{
    struct framing *f = s->framing;

#define IS(text) (name_len == sizeof(text) - 1 && strcasecmp(name, text) == 0)
    if (IS("Host")) {
        s->hosts++;
    } else if (IS("Transfer-Encoding")) {
        s->encodings++;
        s->bad |= !value || strcasecmp(value, "chunked") != 0;
    } else if (IS("Content-Length")) {
        s->lengths++;
        s->bad |= !read_length(value, &f->length);
    } else if (IS("If-None-Match") || IS("Range") || IS("If-Match")) {
        f->conditional = 1;
    } else if (IS(HEADER_FROM)) {
        f->from = 1;
    } else if (IS("Content-Encoding")) {
        f->encoded |= !value || (*value && strcasecmp(value, "identity") != 0);
    } else if (IS("Content-Range")) {
        f->partial = 1;
    } else if (IS("Expect")) {
        f->expects |= !value || strcasecmp(value, "100-continue") != 0;
    }
#undef IS
}

static enum MHD_Result check_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                    size_t name_len, const char *value, size_t value_len)
{
    struct seen *s = arg;

    (void)kind;
    s->bad |= !name_len || token_len(name, name_len) != name_len || has_line_end(value, value_len);
    if (s->at && !is_next(s, name, name_len, value, value_len)) {
        s->bad = 1;
        s->at = NULL;
    }
    take(s, name, name_len, value);
    return MHD_YES;
}

/* Whether the head was read in place, so that gaps can be found. */
static int reads_in_place(void)
{
    static const char *version;

    if (!version)
        version = MHD_get_version();
    return version[0] == '0';
}

int framing_strictness(void)
{
    return reads_in_place() ? 0 : 1;
}

/* Behind the last header stands only the empty line. */
static int is_last(struct MHD_Connection *c, const char *begin, const char *at)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *end = info ? begin + info->header_size : NULL;
    const char *empty = next_line(at);

    return !end || (empty && next_line(empty) == end);
}

int framing_read(struct MHD_Connection *c, const char *method, const char *version,
                 struct framing *out)
{
    struct seen s = {.framing = out};
    int is_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;

    *out = (struct framing){.body = 0};
    if (reads_in_place())
        s.at = version + strlen(version);
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, check_header, &s);
    if (s.at && !is_last(c, method, s.at))
        s.bad = 1;
    out->chunked = s.encodings > 0;
    out->body = out->chunked || out->length > 0;
    if (out->chunked && !is_1_1)
        return 0;
    return !s.bad && (s.hosts == 1 || (!s.hosts && !is_1_1)) && s.lengths + s.encodings <= 1;
}
