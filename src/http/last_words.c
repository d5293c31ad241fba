/* SPDX-License-Identifier: MIT */
#include "http/last_words.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json_out.h"
#include "base/log.h"

/* The connection that libmicrohttpd works on: the last that it called us about. */
static _Thread_local struct last_words *asking;

static _Thread_local unsigned bodies; /* in chunks, under way */

static _Thread_local struct list under_way; /* of last_words; not made while next is NULL */

void last_words_init(struct last_words *w, struct MHD_Connection *c)
{
    list_init(&w->link);
    w->connection = c;
    w->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

void last_words_may_come(struct last_words *w)
{
    if (!under_way.next)
        list_init(&under_way);
    list_del(&w->link);
    list_push_front(&under_way, &w->link);
}

void last_words_spare(struct last_words *w)
{
    if (!list_empty(&w->link)) {
        list_del(&w->link);
        list_init(&w->link);
    }
    asking = w;
}

void last_words_body(struct last_words *w)
{
    w->chunked = 1;
    bodies++;
}

void last_words_ended(struct last_words *w)
{
    if (w->chunked)
        bodies--;
    w->chunked = 0;
}

struct words {
    int status;
    const char *reason;
    struct error error;
};

/* Not 414 and 505: these are found in the first line, before we know of the head. */
static const struct words all[] = {
    {400, "Bad Request", {ERR_INVAL, "the request cannot be read"}},
    {413, "Content Too Large", {ERR_TOOBIG, "the Content-Length is too large to count"}},
    {431,
     "Request Header Fields Too Large",
     {ERR_TOOBIG, "the headers of the request are too large"}},
};

static const struct words *words_for(int status)
{
    size_t i;

    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i].status == status)
            return &all[i];
    return NULL;
}

static void put_answer(struct buf *out, const struct words *what)
{
    struct json_out j;
    struct buf body;

    buf_init(&body, 0);
    json_out_begin(&j, &body, '{');
    json_out_error(&j, &what->error);
    json_out_close(&j);
    buf_putf(out,
             "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n",
             what->status, what->reason, body.len + 1);
    buf_put(out, body.data, body.len);
    buf_put(out, "\n", 1);
    buf_deinit(&body);
}

/* Writes the answer past libmicrohttpd, and ensures that nothing follows. */
static void say(struct last_words *w, const struct words *what)
{
    struct buf out;

    buf_init(&out, 0);
    put_answer(&out, what);
    last_words_spare(w);
    log_debug("server", "refused a request", "status=%d code=%s error=\"%s\"", what->status,
              err_name(what->error.code), what->error.msg);
    if (!out.failed &&
        send(w->fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)out.len)
        shutdown(w->fd, SHUT_WR);
    buf_deinit(&out);
}

/* The connection with a complete head: libmicrohttpd tells the size of a head from its end on. */
static struct last_words *with_whole_head(void)
{
    struct list *l;

    for (l = under_way.next; l != &under_way; l = l->next) {
        struct last_words *w = list_entry(l, struct last_words, link);

        if (MHD_get_connection_info(w->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE))
            return w;
    }
    return NULL;
}

/* The only unfinished head, or NULL. With a body under way the fault may be in that. */
static struct last_words *only_one(void)
{
    struct list *l = under_way.next;

    return !bodies && l->next == &under_way ? list_entry(l, struct last_words, link) : NULL;
}

void last_words_heard(const char *log_text)
{
    const struct words *what;
    struct last_words *w;
    int status;

    if (asking && strstr(log_text, "failed to create response header"))
        say(asking, words_for(431)); /* our answer does not fit beside its request */
    if (!under_way.next || list_empty(&under_way) ||
        sscanf(log_text, "Error processing request (HTTP response code is %d", &status) != 1)
        return;
    what = words_for(status);
    w = with_whole_head();
    if (!w)
        w = only_one(); /* several heads, nobody knows which: libmicrohttpd answers */
    if (what && w)
        say(w, what);
}

void last_words_closed(struct last_words *w)
{
    last_words_ended(w);
    list_del(&w->link);
    if (asking == w)
        asking = NULL;
}
