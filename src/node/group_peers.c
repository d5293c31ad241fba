/* SPDX-License-Identifier: MIT */
#include "node/group_peers.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "cache/group.h"
#include "peer/peers.h"

struct group_peers {
    struct list link;            /* the node's thread: in used or spare */
    struct group_peers_set *set; /* set once */
    struct peers *made;          /* the node's thread: made for the group's first own list; kept */
    int has_source;              /* the same: the list is not typed */
    _Atomic(struct peers *) own; /* atomic: made, or NULL for the set's common */
};

struct group_peers_set {
    struct peers *common;    /* set once */
    void *ctx;               /* set once */
    struct list used, spare; /* the node's thread: group_peers.link */
};

struct group_peers_set *group_peers_set_new(struct peers *common, void *ctx)
{
    struct group_peers_set *ps = mem_zalloc(sizeof(*ps));

    ps->common = common;
    ps->ctx = ctx;
    list_init(&ps->used);
    list_init(&ps->spare);
    return ps;
}

void group_peers_set_free(struct group_peers_set *ps)
{
    struct list *l;

    if (!ps)
        return;
    list_splice_back(&ps->used, &ps->spare);
    while ((l = list_pop_front(&ps->used))) {
        struct group_peers *p = list_entry(l, struct group_peers, link);

        peers_free(p->made);
        mem_free(p);
    }
    mem_free(ps);
}

struct group_peers *group_peers_take(struct group_peers_set *ps)
{
    struct list *l = list_pop_front(&ps->spare);
    struct group_peers *p = l ? list_entry(l, struct group_peers, link) : mem_zalloc(sizeof(*p));

    p->set = ps;
    atomic_store(&p->own, NULL);
    p->has_source = 0;
    list_push_back(&ps->used, &p->link);
    return p;
}

void group_peers_give_back(struct group_peers_set *ps, struct group_peers *p)
{
    list_del(&p->link);
    list_push_back(&ps->spare, &p->link);
}

/* Sets the text as the list of `peers`, or only checks it. */
static enum err use(struct peers *peers, int set, const char *text, struct error *e)
{
    char *copy = mem_strdup(text), *at, *end;
    const char **urls = mem_zalloc((strlen(text) + 1) * sizeof(*urls));
    enum err failed;
    size_t n = 0;

    for (at = copy; (end = strchr(at, '\n')); at = end + 1) {
        *end = '\0';
        urls[n++] = at;
    }
    failed = set ? peers_set(peers, urls, n, e) : peers_check(peers, urls, n, e);
    mem_free(urls);
    mem_free(copy);
    return failed;
}

enum err group_peers_put(struct peers *peers, const char *urls, struct error *e)
{
    return use(peers, 1, urls, e);
}

/* The same for a group's own list. An error names the group. */
static enum err use_of(struct peers *peers, int set, const char *group, const char *text,
                       struct error *e)
{
    struct error why = {.code = ERR_OK};

    if (use(peers, set, text, &why))
        error_set(e, why.code, "group \"%s\": %s", group, why.msg);
    return why.code;
}

static int is_source(const char *urls)
{
    return urls && urls[0] == '@';
}

enum err group_peers_replace(struct group_peers *p, const char *group, const char *urls,
                             struct error *e)
{
    int source = is_source(urls);

    if (source && p->has_source)
        return ERR_OK;
    if (urls && !p->made)
        p->made = peers_like(p->set->common);
    if (urls && use_of(p->made, 1, group, source ? "" : urls, e))
        return e->code;
    p->has_source = source;
    atomic_store(&p->own, urls ? p->made : NULL);
    return ERR_OK;
}

enum err group_peers_keep(struct group_peers *p, const char *group, const char *urls,
                          struct error *e)
{
    if (!p->has_source)
        return error_set(e, ERR_INVAL, "the list of group \"%s\" has no source", group);
    return use_of(p->made, 1, group, urls, e);
}

int group_peers_has_source(const struct group_peers *p)
{
    return p->has_source;
}

enum err group_peers_check(const struct group_peers_set *ps, const char *group, const char *urls,
                           struct error *e)
{
    return urls && !is_source(urls) ? use_of(ps->common, 0, group, urls, e) : ERR_OK;
}

struct peers *group_peers_own(const struct group_peers *p)
{
    return atomic_load(&p->own);
}

struct peers *group_peers_of(const struct group_peers *p)
{
    struct peers *own = group_peers_own(p);

    return own ? own : p->set->common;
}

struct peers *group_peers_of_group(const struct group *g)
{
    return group_peers_of(group_ctx(g));
}

void *group_peers_ctx(const struct group_peers *p)
{
    return p->set->ctx;
}
