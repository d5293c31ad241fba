/* SPDX-License-Identifier: MIT */
#include "http/early.h"

#include <string.h>

#include "cache/group.h"
#include "cache/groups.h"
#include "http/server_in.h"

/* The length of what stands before the group in a target in origin form; 0: it has no group. */
static size_t data_at(const struct server_opts *o, const char *target)
{
    size_t client = strlen(SERVER_CLIENT_PATH), base;

    if ((o->faces & SERVER_CLIENTS) && !strncmp(target, SERVER_CLIENT_PATH, client))
        return client;
    base = strlen(o->base_path);
    return (o->faces & SERVER_PEERS) && !strncmp(target, o->base_path, base) ? base : 0;
}

/* A target that says the same when it is decoded. */
static int is_plain(const char *rest, size_t n)
{
    return !memchr(rest, '%', n) && !memchr(rest, '+', n);
}

void early_target(struct early *e, const struct server *s, const char *target, size_t n)
{
    size_t head = n ? data_at(&s->opts, target) : 0;
    const char *rest = target + head, *slash;

    early_end(e);
    slash = head ? memchr(rest, '/', n - head) : NULL;
    if (!slash || !is_plain(rest, n - head))
        return;
    e->group = groups_find(s->opts.groups, rest, (size_t)(slash - rest));
    if (!e->group)
        return;
    e->n = n - (size_t)(slash + 1 - target);
    e->hash = group_hash(slash + 1, e->n);
    group_fetch_place(e->group, e->hash);
}

void early_head(struct early *e)
{
    if (e->group)
        group_fetch_item(e->group, e->hash);
}

void early_end(struct early *e)
{
    group_unref(e->group);
    e->group = NULL;
    e->n = 0;
}

struct group *early_group(struct early *e)
{
    struct group *g = e->group;

    e->group = NULL;
    return g;
}

struct key_ref early_key(const struct early *e, const char *key, size_t n)
{
    return n && e->n == n ? (struct key_ref){key, n, e->hash} : group_key(key, n);
}
