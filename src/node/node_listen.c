/* SPDX-License-Identifier: MIT */
#include "node/node_listen.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/activation.h"
#include "base/address.h"
#include "base/log.h"
#include "http/listen.h"
#include "http/server.h"

#define ANY_LOOPBACK "127.0.0.1:0"

/* A socket that must be there. */
struct place {
    const char *what;    /* the setting */
    const char *address; /* NULL: only a socket of that name was passed */
    unsigned faces;
};

/* --- sockets that were passed --- */

/* The index of the passed socket of that name, which is still there, or -1. */
static int passed_as(const char *name)
{
    size_t i;

    for (i = 0; i < activation_count(); i++) {
        if (activation_fd(i) >= 0 && strcmp(activation_name(i), name) == 0)
            return (int)i;
    }
    return -1;
}

static int is_setting(const char *name)
{
    return strcmp(name, "listen") == 0 || strcmp(name, "peer_listen") == 0 ||
           strcmp(name, "client_listen") == 0 || strcmp(name, "admin_listen") == 0;
}

/* The index of a passed socket at that address, whose name is no setting's, or -1. */
static int passed_at(const char *address)
{
    char bound[NODE_ADDRESS_BYTES];
    struct error e;
    size_t i;

    for (i = 0; address && i < activation_count(); i++) {
        if (activation_fd(i) >= 0 && !is_setting(activation_name(i)) &&
            !listen_inspect("", activation_fd(i), bound, sizeof(bound), &e) &&
            listen_is_at(address, bound))
            return (int)i;
    }
    return -1;
}

/* Gives passed socket i to a place. */
static enum err take_passed(const struct place *p, int i, struct node_socket *s, struct error *e)
{
    char what[64];

    snprintf(what, sizeof(what), "%s of the service manager", p->what);
    if (listen_inspect(what, activation_fd((size_t)i), s->address, sizeof(s->address), e))
        return e->code;
    s->fd = activation_give((size_t)i);
    s->passed = 1;
    log_info("node", "a socket of the service manager is used", "setting=%s addr=%s", p->what,
             s->address);
    return ERR_OK;
}

/* The only socket that is left, if its name is no setting's, or -1. */
static int only_one_left(void)
{
    int found = -1;
    size_t i;

    for (i = 0; i < activation_count(); i++) {
        if (activation_fd(i) < 0)
            continue;
        if (found >= 0 || is_setting(activation_name(i)))
            return -1;
        found = (int)i;
    }
    return found;
}

static enum err refuse_rest(struct error *e)
{
    char bound[NODE_ADDRESS_BYTES] = "";
    size_t i;

    for (i = 0; i < activation_count(); i++) {
        const char *name = activation_name(i);

        if (activation_fd(i) < 0)
            continue;
        if (listen_inspect("a socket of the service manager", activation_fd(i), bound,
                           sizeof(bound), e))
            return e->code;
        return error_set(e, ERR_INVAL,
                         "the service manager passes the socket \"%.60s\" at %.120s, which %s: "
                         "FileDescriptorName= is listen, peer_listen, client_listen or "
                         "admin_listen, once each",
                         name, bound,
                         is_setting(name) ? "is a second one, or serves nobody beside the others"
                                          : "has the name and the address of no setting");
    }
    return ERR_OK;
}

/* By name, then by address, then what is left. A socket that nobody would serve is refused: its
 * clients would wait for ever. */
static enum err take_all_passed(const struct place *places, size_t n, struct node_socket *list,
                                struct error *e)
{
    size_t i;
    int from, left;

    for (i = 0; i < n; i++) {
        from = passed_as(places[i].what);
        if (from >= 0 && take_passed(&places[i], from, &list[i], e))
            return e->code;
    }
    for (i = 0; i < n; i++) {
        from = list[i].passed ? -1 : passed_at(places[i].address);
        if (from >= 0 && take_passed(&places[i], from, &list[i], e))
            return e->code;
    }
    left = only_one_left();
    for (i = 0; i < n && left >= 0; i++) {
        if (!list[i].passed && places[i].faces & SERVER_CLIENTS)
            return take_passed(&places[i], left, &list[i], e);
    }
    return activation_count() ? refuse_rest(e) : ERR_OK;
}

/* --- places --- */

static size_t add(struct place *places, size_t n, const char *what, const char *address,
                  unsigned face)
{
    size_t i;

    for (i = 0; i < n && passed_as(what) < 0; i++) {
        if (address && places[i].address && strcmp(places[i].address, address) == 0) {
            places[i].faces |= face;
            return n;
        }
    }
    for (i = 0; i < n; i++) {
        if (strcmp(places[i].what, what) == 0) {
            places[i].faces |= face;
            return n;
        }
    }
    places[n] = (struct place){what, address, face};
    return n + 1;
}

static size_t find_places(const struct node_listen_opts *o, struct place places[NODE_MAX_SOCKETS])
{
    int clients = o->client_listen || passed_as("client_listen") >= 0;
    int peers = o->peer_listen || passed_as("peer_listen") >= 0;
    size_t n = 0;

    n = clients ? add(places, n, "client_listen", o->client_listen, SERVER_CLIENTS)
                : add(places, n, "listen", o->listen, SERVER_CLIENTS);
    n = peers ? add(places, n, "peer_listen", o->peer_listen, SERVER_PEERS)
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

static enum err open_one(const struct place *p, int moves, struct node_socket *s, int *moved,
                         struct error *e)
{
    s->fd = open_place(p, s, e);
    if (s->fd < 0 && s->faces == SERVER_ADMIN && moves) {
        s->fd = open_moved(p, s, e);
        *moved = 1;
    }
    return s->fd < 0 ? e->code : ERR_OK;
}

enum err node_listen(const struct node_listen_opts *o, struct node_sockets *out, struct error *e)
{
    struct place places[NODE_MAX_SOCKETS];
    size_t i, n = find_places(o, places);
    int moves = o->admin_moves && passed_as("admin_listen") < 0;

    for (i = 0; i < n; i++)
        out->list[i] = (struct node_socket){.fd = -1, .faces = places[i].faces};
    out->n = n;
    if (take_all_passed(places, n, out->list, e))
        return e->code;
    for (i = 0; i < n; i++) {
        struct node_socket *s = &out->list[i];

        if (!s->passed && open_one(&places[i], moves, s, &out->moved, e))
            return e->code;
        if (moves && s->faces & SERVER_CLIENTS && address_is_loopback(s->address))
            s->faces |= SERVER_FIRST_TRY;
    }
    return ERR_OK;
}

enum err node_listen_check(const struct node_listen_opts *o, struct error *e)
{
    struct place places[NODE_MAX_SOCKETS];
    size_t i, n = find_places(o, places);

    for (i = 0; i < n; i++) {
        if (places[i].address && listen_check(places[i].what, places[i].address, e))
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
        if (!s->list[i].passed)
            listen_remove(s->list[i].address);
    }
    s->n = 0;
}
