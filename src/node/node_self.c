/* SPDX-License-Identifier: MIT */
#include "node/node_self.h"

#include <stdio.h>
#include <string.h>

#include "base/address.h"

static int begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static int is_every_address(const char *address)
{
    return begins(address, "0.0.0.0:") || begins(address, "[::]:") || begins(address, "*:") ||
           address[0] == ':';
}

static int is_of_this_host(const char *address)
{
    return address_is_loopback(address) || begins(address, "localhost:");
}

enum err node_self_url(const struct node_self_opts *o, const char *scheme, const char *address,
                       char out[NODE_SELF_BYTES], struct error *e)
{
    const char *port = strrchr(address, ':');
    int every = is_every_address(address);

    snprintf(out, NODE_SELF_BYTES, "%s://%s", scheme, address);
    if (!o->find)
        return ERR_OK;
    if (!port || begins(address, "unix:"))
        return error_set(e, ERR_INVAL, "self is \"auto\", and the node listens on %s: set self",
                         address);
    if (every && !o->host)
        return error_set(e, ERR_INVAL,
                         "self is \"auto\", and this host has no address: set self, or POD_IP in "
                         "the environment");
    if (is_of_this_host(address) && o->remote)
        return error_set(e, ERR_INVAL,
                         "the node listens on %s, where no other host reaches it, and its source "
                         "of peers is on another host: set listen to %s%s, or set self",
                         address, o->host ? o->host : "an address of this host", port);
    if (every)
        snprintf(out, NODE_SELF_BYTES, "%s://%s%s", scheme, o->host, port);
    return ERR_OK;
}
