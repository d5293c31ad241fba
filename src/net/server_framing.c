/* SPDX-License-Identifier: MIT */
#include "net/server_framing.h"

#include <microhttpd.h>
#include <string.h>
#include <strings.h>

enum { LENGTH_DIGITS = 18 }; /* fit 64 bits */

struct seen {
    struct framing *framing;
    int hosts, lengths, encodings, bad;
};

static int read_length(const char *value, uint64_t *out)
{
    size_t n = value ? strspn(value, "0123456789") : 0;

    if (n == 0 || n > LENGTH_DIGITS || value[n])
        return 0;
    for (*out = 0; *value; value++)
        *out = *out * 10 + (uint64_t)(*value - '0');
    return 1;
}

static enum MHD_Result check_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct seen *s = arg;

    (void)kind;
    if (strpbrk(name, " \t") || (value && strpbrk(value, "\r\n"))) {
        s->bad = 1;
    } else if (strcasecmp(name, "Host") == 0) {
        s->hosts++;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        s->encodings++;
        s->bad |= !value || strcasecmp(value, "chunked") != 0;
    } else if (strcasecmp(name, "Content-Length") == 0) {
        s->lengths++;
        s->bad |= !read_length(value, &s->framing->length);
    }
    return MHD_YES;
}

int framing_read(struct MHD_Connection *c, const char *version, struct framing *out)
{
    struct seen s = {.framing = out};

    *out = (struct framing){.body = 0};
    MHD_get_connection_values(c, MHD_HEADER_KIND, check_header, &s);
    out->chunked = s.encodings > 0;
    out->body = out->chunked || out->length > 0;
    if (out->chunked && strcmp(version, MHD_HTTP_VERSION_1_1) != 0)
        return 0;
    return !s.bad && s.hosts <= 1 && s.lengths + s.encodings <= 1;
}
