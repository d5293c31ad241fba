/* SPDX-License-Identifier: MIT */
#include "http/heading.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define LINE_BREAK "\r\n"

/* The last date of this thread, and its second. */
static _Thread_local struct {
    int64_t unix_s;
    char text[HEADING_DATE];
} today;

/* Whether a header of libmicrohttpd can be changed in its own copy; -1: it is to be tried. */
static atomic_int joins = -1;

static int can_break_lines(void)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    const char text[] = "a  B: b", *copy, *again;
    int can = 0;

    if (r && MHD_add_response_header(r, "A", text) == MHD_YES) {
        copy = MHD_get_response_header(r, "A");
        can = copy && copy != text && strcmp(copy, text) == 0;
        if (can)
            memcpy((char *)(size_t)copy + 1, LINE_BREAK, 2);
        again = MHD_get_response_header(r, "A");
        can = can && again == copy && strcmp(again, "a" LINE_BREAK "B: b") == 0;
    }
    if (r)
        MHD_destroy_response(r);
    return can;
}

static int may_join(void)
{
    int can = atomic_load_explicit(&joins, memory_order_relaxed);

    if (can < 0) {
        can = can_break_lines();
        atomic_store_explicit(&joins, can, memory_order_relaxed);
    }
    return can;
}

void heading_begin(struct heading *h, struct MHD_Response *r)
{
    h->response = r;
    h->first = NULL;
    h->n = 0;
    h->nbreaks = 0;
    h->full = 0;
}

static void break_lines(const struct heading *h, char *text)
{
    unsigned i;

    for (i = 0; i < h->nbreaks; i++)
        memcpy(text + h->breaks[i], LINE_BREAK, 2);
}

/* libmicrohttpd refuses a value with a line break. So it gets spaces, and they are replaced in its
 * own copy, which MHD_get_response_header() returns. */
char *heading_give(const struct heading *h, struct MHD_Response *r)
{
    char *copy;

    if (MHD_add_response_header(r, h->first, h->text) != MHD_YES)
        return NULL;
    copy = (char *)(size_t)MHD_get_response_header(r, h->first);
    if (copy)
        break_lines(h, copy);
    return copy;
}

void heading_write(const struct heading *h, char *out)
{
    memcpy(out, h->text, h->n);
    break_lines(h, out);
}

int heading_is_whole(const struct heading *h)
{
    return h->first && !h->full;
}

void heading_end(struct heading *h)
{
    if (!h->first)
        return;
    heading_give(h, h->response);
    heading_begin(h, h->response);
}

static void append(struct heading *h, const char *bytes, size_t n)
{
    memcpy(h->text + h->n, bytes, n);
    h->n += n;
}

void heading_add(struct heading *h, const char *name, const char *value)
{
    size_t name_len = strlen(name), n = strlen(value);
    size_t all = sizeof("  : ") + name_len + n;
    int over = h->n + all > sizeof(h->text) || h->nbreaks == HEADING_LINES;

    if (!h->response && (over || !may_join())) {
        h->full = 1;
        return;
    }
    if (over)
        heading_end(h);
    if (all > sizeof(h->text) || !may_join()) {
        MHD_add_response_header(h->response, name, value);
        return;
    }
    if (h->first) {
        h->breaks[h->nbreaks++] = (unsigned short)h->n;
        append(h, "  ", 2);
        append(h, name, name_len);
        append(h, ": ", 2);
    } else {
        h->first = name;
    }
    append(h, value, n);
    h->text[h->n] = '\0';
}

void heading_add_number(struct heading *h, const char *name, const char *before, uint64_t n)
{
    size_t before_len = strlen(before);
    char text[48], *s = text + sizeof(text);

    *--s = '\0';
    do
        *--s = (char)('0' + n % 10);
    while (n /= 10);
    s -= before_len;
    memcpy(s, before, before_len);
    heading_add(h, name, s);
}

void heading_print_date(int64_t unix_s, char out[HEADING_DATE])
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = (time_t)unix_s;
    struct tm t;
    char text[80];

    gmtime_r(&now, &t);
    snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday,
             months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    memcpy(out, text, HEADING_DATE - 1);
    out[HEADING_DATE - 1] = '\0';
}

void heading_add_date(struct heading *h)
{
    int64_t now_s = (int64_t)(clock_wall_ns() / 1000000000);

    if (now_s != today.unix_s || !*today.text) {
        heading_print_date(now_s, today.text);
        today.unix_s = now_s;
    }
    heading_add(h, "Date", today.text);
}
