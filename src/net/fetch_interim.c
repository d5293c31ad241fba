/* SPDX-License-Identifier: MIT */
/* fetch_interim.c - the interim answers (1xx) before an answer.
 *
 * libcurl keeps the headers of all of them as one list, without their statuses. So the lines are
 * kept here as they arrive. */
#include <stdio.h>
#include <string.h>

#include "base/token.h"
#include "net/fetch_in.h"

enum { INTERIM_MAX = 4 << 10 /* bytes of all; a server may send them without end */ };

static void put_status(struct fetch *f)
{
    char line[16];

    f->interim_from = f->interim.len;
    snprintf(line, sizeof(line), "%s%d\n", f->interim.len ? "\n" : "", f->head.status);
    buf_puts(&f->interim, line);
}

static void put_field(struct fetch *f, const char *line, size_t n)
{
    size_t name = token_len(line, n), from = name + 1;

    while (n > from && strchr(" \t\r\n", line[n - 1]))
        n--;
    while (from < n && strchr(" \t", line[from]))
        from++;
    buf_put(&f->interim, line, name);
    buf_put(&f->interim, ": ", 2);
    buf_put(&f->interim, line + from, n - from);
    buf_put(&f->interim, "\n", 1);
}

void fetch_interim_line(struct fetch *f, enum head_part part, const char *line, size_t n)
{
    if (f->head.status >= 200 || f->head.status == 100 || f->interim_full)
        return;
    if (part == HEAD_STATUS)
        put_status(f);
    else if (f->head.part == HEAD_FIELDS)
        put_field(f, line, n);
    if (f->interim.failed || f->interim.len > INTERIM_MAX) { /* what came before is whole */
        f->interim.len = f->interim_from;
        f->interim_full = 1;
    }
}

const struct buf *fetch_interim(const struct fetch *f)
{
    return &f->interim;
}
