/* SPDX-License-Identifier: MIT */
#include "node/node_servers.h"

#include "base/log.h"
#include "node/node_keys.h"

enum { ADMIN_CONNECTIONS = 64 /* of the operators' own server; config.lua counts them */ };

static struct server *start(struct node_socket *socket, const struct server_opts *common,
                            struct node_keys *keys, struct error *e)
{
    struct server_opts o = *common;

    o.faces = socket->faces;
    o.fd = socket->fd;
    o.address = socket->address;
    if (!(o.faces & SERVER_DATA)) {
        o.threads = 1;
        if (o.max_connections > ADMIN_CONNECTIONS)
            o.max_connections = ADMIN_CONNECTIONS;
    }
    o.tls = node_keys_of(keys, o.faces, o.address);
    o.auth = keys->auth;
    socket->fd = -1;
    return server_start(&o, e);
}

/* Operators first: they may look at a node that gets its first requests. */
enum err node_servers_start(struct node_servers *s, const struct server_opts *common,
                            struct node_keys *keys, struct error *e)
{
    size_t i;

    for (i = s->sockets.n; i > 0; i--) {
        s->list[i - 1] = start(&s->sockets.list[i - 1], common, keys, e);
        if (!s->list[i - 1])
            return e->code;
    }
    atomic_store(&s->serving, 1);
    return ERR_OK;
}

void node_servers_log(const struct node_servers *s)
{
    size_t i;

    for (i = s->sockets.n; i > 0; i--) {
        const struct node_socket *socket = &s->sockets.list[i - 1];
        unsigned faces = socket->faces & ~(unsigned)SERVER_FIRST_TRY;
        const char *whom = faces == SERVER_ADMIN     ? "listening for operators"
                           : faces == SERVER_PEERS   ? "listening for peers"
                           : faces == SERVER_CLIENTS ? "listening for clients"
                                                     : "listening";

        log_info("node", whom, "addr=%s", socket->address);
    }
}

void node_servers_tick(struct node_servers *s, uint64_t now_ms)
{
    size_t i;

    for (i = 0; atomic_load(&s->serving) && i < s->sockets.n; i++)
        server_tick(s->list[i], now_ms);
}

void node_servers_stats(struct node_servers *s, struct server_stats *add)
{
    size_t i;

    for (i = 0; atomic_load(&s->serving) && i < s->sockets.n; i++)
        server_stats(s->list[i], add);
}

unsigned node_servers_active(const struct node_servers *s)
{
    unsigned requests = 0;
    size_t i;

    for (i = 0; i < s->sockets.n; i++)
        requests += s->list[i] ? server_active(s->list[i]) : 0;
    return requests;
}

unsigned node_servers_about_to_ask(const struct node_servers *s)
{
    unsigned connections = 0;
    size_t i;

    for (i = 0; i < s->sockets.n; i++) {
        if (s->list[i] && s->sockets.list[i].faces & SERVER_DATA)
            connections += server_about_to_ask(s->list[i]);
    }
    return connections;
}

int node_servers_turned(struct node_servers *s)
{
    int turned = 1;
    size_t i;

    for (i = 0; atomic_load(&s->serving) && i < s->sockets.n; i++)
        turned &= server_turned(s->list[i]);
    return turned;
}

void node_servers_quiesce(struct node_servers *s)
{
    size_t i;

    for (i = 0; i < s->sockets.n; i++) {
        if (s->sockets.list[i].faces & SERVER_DATA)
            server_quiesce(s->list[i]);
    }
}

void node_servers_stop(struct node_servers *s)
{
    size_t i;

    atomic_store(&s->serving, 0);
    for (i = 0; i < s->sockets.n; i++)
        server_stop(s->list[i]);
    node_listen_close(&s->sockets);
}
