/* SPDX-License-Identifier: MIT */
#include "node/node_listen.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "http/listen.h"

#define ANY_LOOPBACK "127.0.0.1:0"

static int has_own_admin(const struct node_listen_opts *o)
{
    return o->admin && strcmp(o->admin, o->data) != 0;
}

static int listen_for_operators(const char *address, struct node_sockets *s, struct error *e)
{
    return listen_on("admin_listen", address, s->admin_address, sizeof(s->admin_address), e);
}

/* Another node may have the default port. */
static enum err open_admin(const struct node_listen_opts *o, struct node_sockets *s,
                           struct error *e)
{
    s->admin = listen_for_operators(o->admin, s, e);
    if (s->admin < 0 && o->admin_moves) {
        s->admin = listen_for_operators(ANY_LOOPBACK, s, e);
        if (s->admin >= 0)
            log_warn("node",
                     "admin_listen is not set and its default is taken: a free port is used",
                     "default=%s addr=%s", o->admin, s->admin_address);
    }
    return s->admin < 0 ? e->code : ERR_OK;
}

/* By default a node serves /stats on the port after its own. */
static enum err say_who_may_be_there(const struct node_listen_opts *o, struct error *e)
{
    struct error why = *e;

    if (!o->admin_moves || !strstr(why.msg, strerror(EADDRINUSE)))
        return e->code;
    return error_set(e, why.code,
                     "%.150s (a node on the port before serves /stats there, unless its "
                     "admin_listen is set)",
                     why.msg);
}

enum err node_listen(const struct node_listen_opts *o, struct node_sockets *out, struct error *e)
{
    out->data = listen_on("listen", o->data, out->address, sizeof(out->address), e);
    if (out->data < 0)
        return say_who_may_be_there(o, e);
    return has_own_admin(o) ? open_admin(o, out, e) : ERR_OK;
}

enum err node_listen_check(const struct node_listen_opts *o, struct error *e)
{
    if (listen_check("listen", o->data, e))
        return e->code;
    return has_own_admin(o) ? listen_check("admin_listen", o->admin, e) : ERR_OK;
}
