/* SPDX-License-Identifier: MIT */
/* mhd.c - libmicrohttpd alone, answering a constant: what the library that we serve with can do.
 *
 *   mhd PORT BYTES          on 127.0.0.1
 *   mhd PORT BYTES nodes    on all addresses, as nodes of ours that confirm every change: each
 *                           address of 127.0.0.0/8 is another node
 *
 * One thread of its own with epoll, as in the library's own measuring programs. The response is
 * made once and queued for every request. Runs until it is killed. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct MHD_Response *response;

static enum MHD_Result answer(void *cls, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *body,
                              size_t *body_len, void **state)
{
    static int known;

    (void)cls, (void)url, (void)method, (void)version, (void)body;
    if (!*state) { /* the first call for a request has its headers only */
        *state = &known;
        return MHD_YES;
    }
    if (*body_len) { /* of a change */
        *body_len = 0;
        return MHD_YES;
    }
    return MHD_queue_response(c, MHD_HTTP_OK, response);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    int nodes = argc == 4 && strcmp(argv[3], "nodes") == 0;
    struct MHD_Daemon *d;
    size_t n;
    char *value;

    if (argc != 3 && !nodes) {
        fprintf(stderr, "usage: mhd PORT BYTES [nodes]\n");
        return 2;
    }
    at.sin_port = htons((unsigned short)atoi(argv[1]));
    at.sin_addr.s_addr = htonl(nodes ? INADDR_ANY : INADDR_LOOPBACK);
    n = (size_t)atol(argv[2]);
    value = malloc(n);
    if (!value)
        return 1;
    memset(value, 'x', n);
    response = MHD_create_response_from_buffer(n, value, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
    if (nodes)
        MHD_add_response_header(response, "X-Groupcache-Node", "1");
    d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO, 0, NULL, NULL, answer, NULL,
                         MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at, MHD_OPTION_END);
    if (!d) {
        fprintf(stderr, "mhd: cannot listen on port %s\n", argv[1]);
        return 1;
    }
    for (;;)
        pause();
}
