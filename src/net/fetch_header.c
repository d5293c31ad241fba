/* SPDX-License-Identifier: MIT */
/* fetch_header.c - the headers of an answer, once its head has arrived.
 *
 * curl_easy_header() compares a name with each header, twice, in 900 instructions. Callers look up
 * six names in each answer of a peer, so the headers are listed once. */
#include <string.h>
#include <strings.h>

#include "net/fetch_in.h"

/* If a header is empty, libcurl takes the line's end for its value. */
static const char *value_of(const struct curl_header *h)
{
    return h->value + strspn(h->value, "\r\n");
}

static int has_headers(const struct fetch *f)
{
    return f->transfer.curl && f->phase == FETCH_ANSWERED;
}

/* The names and values are libcurl's, until the handle is freed. */
static void list_headers(struct fetch *f)
{
    struct curl_header *h = NULL;
    size_t n = 0;

    while ((h = curl_easy_nextheader(f->transfer.curl, CURLH_HEADER, -1, h)) && n < FETCH_LISTED)
        f->listed[n++] = (struct fetch_listed){.name = h->name, .value = value_of(h)};
    f->n_listed = n;
    f->is_listed = 1 + (h != NULL);
}

/* CURLH_HEADER of the last answer: neither a 1xx before it nor trailers. */
const char *fetch_header(struct fetch *f, const char *name)
{
    struct curl_header *h;
    size_t i;

    if (!has_headers(f))
        return NULL;
    if (!f->is_listed)
        list_headers(f);
    for (i = 0; i < f->n_listed; i++)
        if ((f->listed[i].name[0] | 0x20) == (name[0] | 0x20) &&
            strcasecmp(f->listed[i].name, name) == 0)
            return f->listed[i].value;
    if (f->is_listed == 1 || curl_easy_header(f->transfer.curl, name, 0, CURLH_HEADER, -1, &h))
        return NULL;
    return value_of(h);
}

void fetch_header_each(struct fetch *f, void (*fn)(void *arg, const char *name, const char *value),
                       void *arg)
{
    struct curl_header *h = NULL;

    if (!has_headers(f))
        return;
    while ((h = curl_easy_nextheader(f->transfer.curl, CURLH_HEADER, -1, h)))
        fn(arg, h->name, value_of(h));
}
