/* SPDX-License-Identifier: MIT */
#include "http/answer_own.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "cache/extra.h"
#include "cache/item.h"

void answer_own_read(const struct item *it, struct answer_own *out)
{
    size_t n;
    const char *extra = item_extra(it, &n);

    out->status = extra_status(extra, n);
    out->content_type = extra_header(extra, n, "content-type") != NULL;
    out->cache_control = extra_header(extra, n, "cache-control") != NULL;
    out->vary = extra_header(extra, n, "vary") != NULL;
    out->etag = extra_header(extra, n, "etag");
}

const char *answer_own_etag(const char *etag, const char *coding, char room[ANSWER_OWN_ETAG])
{
    size_t n = strlen(etag);
    int len;

    if (strncmp(etag, "W/", 2) == 0 || n < 2 || etag[n - 1] != '"')
        return etag;
    len = snprintf(room, ANSWER_OWN_ETAG, "%.*s-%s\"", (int)n - 1, etag, coding);
    return len < ANSWER_OWN_ETAG ? room : NULL;
}

/* Writes "content-type" as "Content-Type": some clients that are not quite right want it so. */
static void put_name(char *out, size_t size, const char *name)
{
    int first = 1;
    size_t i;

    if (strcmp(name, "etag") == 0)
        name = "ETag";
    for (i = 0; i < size - 1 && name[i]; i++) {
        out[i] = first && name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] & ~0x20) : name[i];
        first = name[i] == '-';
    }
    out[i] = '\0';
}

void answer_own_add(struct MHD_Response *r, const struct item *it, const char *etag)
{
    size_t n;
    const char *at = item_extra(it, &n), *end = n ? at + n : at;
    struct extra_field f;
    const char *value;
    char name[128];

    while (n && extra_next(&at, end, &f)) {
        if (f.kind != EXTRA_HEADER)
            continue;
        value = f.bytes + strlen(f.bytes) + 1;
        if (strcmp(f.bytes, "etag") == 0)
            value = etag;
        put_name(name, sizeof(name), f.bytes);
        if (value)
            MHD_add_response_header(r, strlen(f.bytes) < sizeof(name) ? name : f.bytes, value);
    }
}
