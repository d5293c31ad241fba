/* SPDX-License-Identifier: MIT */
#include "http/refusal.h"

#include <stddef.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json_out.h"
#include "base/log.h"

struct words {
    int status;
    const char *reason;
    struct error error;
};

static const struct words all[] = {
    {400, "Bad Request", {ERR_INVAL, "the request cannot be read"}},
    {413, "Content Too Large", {ERR_TOOBIG, "the Content-Length is too large to count"}},
    {414, "URI Too Long", {ERR_TOOBIG, "the first line of the request is too long"}},
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

void refusal_send(int fd, int status)
{
    const struct words *what = words_for(status);
    struct buf out;

    buf_init(&out, 0);
    put_answer(&out, what);
    log_debug("server", "refused a request", "status=%d code=%s error=\"%s\"", what->status,
              err_name(what->error.code), what->error.msg);
    if (!out.failed && send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)out.len)
        shutdown(fd, SHUT_WR);
    buf_deinit(&out);
}
