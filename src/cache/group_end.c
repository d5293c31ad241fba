/* SPDX-License-Identifier: MIT */
/* group_end.c - the ends that a loader gives a flight, each as a result for group_finish(). */
#include <stdarg.h>
#include <stdio.h>

#include "cache/group_in.h"

enum err group_end_given(struct flight *f, const struct given *v, struct error *e)
{
    struct result r = {.source = SOURCE_LOCAL};
    struct key_ref k = flight_key(f);

    r.item = group_keep_item(f->group, &k, v, &r.err);
    if (r.item)
        group_ahead_took(r.item, f);
    if (e)
        *e = r.err;
    group_finish(f, &r);
    item_unref(r.item);
    return r.err.code;
}

enum err group_finish_value(struct flight *f, const void *value, size_t n, const double *ttl_ms,
                            struct error *e)
{
    const struct given v = {.bytes = value, .n = n, .ttl_ms = ttl_ms};

    return group_end_given(f, &v, e);
}

void group_finish_error(struct flight *f, enum err code, const char *fmt, ...)
{
    struct result r = {.item = NULL};
    va_list ap;

    r.err.code = code;
    va_start(ap, fmt);
    vsnprintf(r.err.msg, sizeof(r.err.msg), fmt, ap);
    va_end(ap);
    group_finish(f, &r);
}

void group_end_not_found(struct flight *f, const char *text, const double *ttl_ms)
{
    struct result r = {.item = NULL};

    error_set(&r.err, ERR_NOTFOUND, "%s", text);
    if (ttl_ms)
        r.expires_ms = group_keep_ends_ms(*ttl_ms);
    group_finish(f, &r);
}
