/* SPDX-License-Identifier: MIT */
#include "http/refusal.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/log.h"

struct words {
    int status;
    const char *reason, *code, *text;
};

static const struct words all[] = {
    {400, "Bad Request", "INVAL", "the request cannot be read"},
    {413, "Content Too Large", "TOOBIG", "the Content-Length is too large to count"},
    {414, "URI Too Long", "TOOBIG", "the first line of the request is too long"},
    {431, "Request Header Fields Too Large", "TOOBIG", "the headers of the request are too large"},
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

void refusal_send(int fd, int status)
{
    const struct words *what = words_for(status);
    char body[160], out[400];
    int n = snprintf(body, sizeof(body), "{\"error\":\"%s\",\"code\":\"%s\"}\n", what->text,
                     what->code);

    n = snprintf(out, sizeof(out),
                 "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/json\r\n"
                 "Content-Length: %d\r\n\r\n%s",
                 what->status, what->reason, n, body);
    log_debug("server", "refused a request", "status=%d code=%s error=\"%s\"", what->status,
              what->code, what->text);
    if (send(fd, out, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) == n)
        shutdown(fd, SHUT_WR);
}
