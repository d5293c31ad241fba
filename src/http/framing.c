/* SPDX-License-Identifier: MIT */
#include "http/framing.h"

#include <microhttpd.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "wire/dialect.h"

enum { LENGTH_DIGITS = 18 }; /* fit 64 bits */

struct seen {
    struct framing *framing;
    int hosts, lengths, encodings, bad;
};

static int read_length(const char *value, uint64_t *out)
{
    size_t n = value ? strlen(value) : 0;

    return n <= LENGTH_DIGITS && num_parse_u64(value, n, UINT64_MAX, out);
}

static int has_either(const char *text, size_t n, char a, char b)
{
    return n && (memchr(text, a, n) || memchr(text, b, n));
}

static enum MHD_Result check_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                    size_t name_len, const char *value, size_t value_len)
{
    struct seen *s = arg;

    (void)kind;
    s->bad |= has_either(name, name_len, ' ', '\t') || has_either(value, value_len, '\r', '\n');
#define IS(text) (name_len == sizeof(text) - 1 && strcasecmp(name, text) == 0)
    if (IS("Host")) {
        s->hosts++;
    } else if (IS("Transfer-Encoding")) {
        s->encodings++;
        s->bad |= !value || strcasecmp(value, "chunked") != 0;
    } else if (IS("Content-Length")) {
        s->lengths++;
        s->bad |= !read_length(value, &s->framing->length);
    } else if (IS("If-None-Match") || IS("Range")) {
        s->framing->conditional = 1;
    } else if (IS(HEADER_FROM)) {
        s->framing->from = 1;
    }
#undef IS
    return MHD_YES;
}

int framing_read(struct MHD_Connection *c, const char *version, struct framing *out)
{
    struct seen s = {.framing = out};

    *out = (struct framing){.body = 0};
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, check_header, &s);
    out->chunked = s.encodings > 0;
    out->body = out->chunked || out->length > 0;
    if (out->chunked && strcmp(version, MHD_HTTP_VERSION_1_1) != 0)
        return 0;
    return !s.bad && s.hosts <= 1 && s.lengths + s.encodings <= 1;
}
