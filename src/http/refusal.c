/* SPDX-License-Identifier: MIT */
#include "http/refusal.h"

#include <stddef.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json_out.h"
#include "base/log.h"
#include "http/tls.h"

struct words {
    int heard; /* the status that libmicrohttpd has for it */
    int status;
    const char *reason;
    struct error error;
};

/* A Content-Length that is too large to count is 413 for some versions of libmicrohttpd, and 400
 * for others. */
static const struct words all[] = {
    {400, 400, "Bad Request", {ERR_INVAL, "the request cannot be read"}},
    {413, 400, "Bad Request", {ERR_INVAL, "the request cannot be read"}},
    {414, 414, "URI Too Long", {ERR_TOOBIG, "the first line of the request is too long"}},
    {431,
     431,
     "Request Header Fields Too Large",
     {ERR_TOOBIG, "the headers of the request are too large"}},
    {502,
     502,
     "Bad Gateway",
     {ERR_GETTER, "the headers of the answer are too large beside those of the request"}},
};

static const struct words *words_for(int heard)
{
    size_t i;

    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i].heard == heard)
            return &all[i];
    return NULL;
}

int refusal_has(int status)
{
    return words_for(status) != NULL;
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

static void begin(struct buf *out, int status)
{
    const struct words *what = words_for(status);

    buf_init(out, 0);
    put_answer(out, what);
    log_write(what->status < 500 ? LOG_DEBUG : LOG_WARN, "server", "refused a request",
              "status=%d code=%s error=\"%s\"", what->status, err_name(what->error.code),
              what->error.msg);
}

void refusal_send_tls(struct MHD_Connection *c, int status)
{
    struct buf out;
    ssize_t sent;

    begin(&out, status);
    if (!out.failed)
        tls_write(c, out.data, out.len, &sent);
    buf_deinit(&out);
}

void refusal_send(int fd, int status)
{
    struct buf out;

    begin(&out, status);
    if (!out.failed && send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)out.len)
        shutdown(fd, SHUT_WR);
    buf_deinit(&out);
}
