/* SPDX-License-Identifier: MIT */
#include "node/node_listen.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "http/listen.h"
#include "http/server.h"

#define ANY_LOOPBACK "127.0.0.1:0"

/* An address that must be opened. */
struct place {
    const char *what; /* the setting */
    const char *address;
    unsigned faces;
};

static size_t add(struct place *places, size_t n, const char *what, const char *address,
                  unsigned face)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (strcmp(places[i].address, address) == 0) {
            places[i].faces |= face;
            return n;
        }
    }
    places[n] = (struct place){what, address, face};
    return n + 1;
}

static size_t find_places(const struct node_listen_opts *o, struct place places[NODE_MAX_SOCKETS])
{
    size_t n = 0;

    n = o->client_listen ? add(places, n, "client_listen", o->client_listen, SERVER_CLIENTS)
                         : add(places, n, "listen", o->listen, SERVER_CLIENTS);
    n = o->peer_listen ? add(places, n, "peer_listen", o->peer_listen, SERVER_PEERS)
                       : add(places, n, "listen", o->listen, SERVER_PEERS);
    return add(places, n, "admin_listen", o->admin_listen, SERVER_ADMIN);
}

static int open_place(const struct place *p, struct node_socket *s, struct error *e)
{
    return listen_on(p->what, p->address, s->address, sizeof(s->address), e);
}

/* Another node, or anything else, may have the default address. */
static int open_moved(const struct place *p, struct node_socket *s, struct error *e)
{
    const struct place any = {p->what, ANY_LOOPBACK, p->faces};
    int fd = open_place(&any, s, e);

    if (fd >= 0)
        log_warn("node", "admin_listen is not set and its default is taken: a free port is used",
                 "default=%s addr=%s", p->address, s->address);
    return fd;
}

static int is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0;
}

enum err node_listen(const struct node_listen_opts *o, struct node_sockets *out, struct error *e)
{
    struct place places[NODE_MAX_SOCKETS];
    size_t i, n = find_places(o, places);

    for (i = 0; i < n; i++) {
        struct node_socket *s = &out->list[i];

        s->faces = places[i].faces;
        s->fd = open_place(&places[i], s, e);
        if (s->fd < 0 && s->faces == SERVER_ADMIN && o->admin_moves)
            s->fd = open_moved(&places[i], s, e);
        if (s->fd < 0)
            return e->code;
        if (o->admin_moves && s->faces & SERVER_CLIENTS && is_loopback(s->address))
            s->faces |= SERVER_FIRST_TRY;
        out->n++;
    }
    return ERR_OK;
}

enum err node_listen_check(const struct node_listen_opts *o, struct error *e)
{
    struct place places[NODE_MAX_SOCKETS];
    size_t i, n = find_places(o, places);

    for (i = 0; i < n; i++) {
        if (listen_check(places[i].what, places[i].address, e))
            return e->code;
    }
    return ERR_OK;
}

const char *node_listen_address(const struct node_sockets *s, unsigned face)
{
    size_t i;

    for (i = 0; i < s->n; i++) {
        if (s->list[i].faces & face)
            return s->list[i].address;
    }
    return NULL;
}

void node_listen_close(struct node_sockets *s)
{
    size_t i;

    for (i = 0; i < s->n; i++) {
        if (s->list[i].fd >= 0)
            close(s->list[i].fd);
        listen_remove(s->list[i].address);
    }
    s->n = 0;
}
