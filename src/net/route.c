/* SPDX-License-Identifier: MIT */
#include "net/route.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANY_PORT = 9 }; /* connect() wants one; of no use for UDP otherwise */

/* The kernel chooses the address of a UDP socket when it is connected. 0: no way. */
static int own_address(const struct addrinfo *to, struct sockaddr_storage *own)
{
    int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t n = sizeof(*own);
    int found;

    if (fd < 0)
        return 0;
    found =
        !connect(fd, to->ai_addr, to->ai_addrlen) && !getsockname(fd, (struct sockaddr *)own, &n);
    close(fd);
    return found;
}

static void put(const struct sockaddr_storage *own, char out[ROUTE_TEXT])
{
    struct address a;
    char text[ADDRESS_TEXT] = "";

    if (address_of((const struct sockaddr *)own, &a))
        address_put(&a, text);
    snprintf(out, ROUTE_TEXT, strchr(text, ':') ? "[%s]" : "%s", text);
}

enum err route_from(const char *host, char out[ROUTE_TEXT], struct error *e)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL, *ai;
    struct sockaddr_storage own;
    char port[8];
    int failed, way = 0;

    snprintf(port, sizeof(port), "%d", ANY_PORT);
    failed = getaddrinfo(host, port, &hints, &found);
    if (failed)
        return error_set(e, ERR_PEER, "the host \"%s\" has no address: %s", host,
                         gai_strerror(failed));
    for (ai = found; ai && !way; ai = ai->ai_next)
        way = own_address(ai, &own);
    freeaddrinfo(found);
    if (!way)
        return error_set(e, ERR_PEER, "there is no way to \"%s\": %s", host, strerror(errno));
    put(&own, out);
    return ERR_OK;
}
