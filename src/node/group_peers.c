/* SPDX-License-Identifier: MIT */
#include "node/group_peers.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "peer/peers.h"

struct group_peers {
    struct list link;            /* the node's thread: in used or spare */
    struct group_peers_set *set; /* set once */
    struct peers *made;          /* the node's thread: made for the group's first own list; kept */
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
    list_push_back(&ps->used, &p->link);
    return p;
}

void group_peers_give_back(struct group_peers_set *ps, struct group_peers *p)
{
    list_del(&p->link);
    list_push_back(&ps->spare, &p->link);
}

/* Sets the text as the list of `peers`, or only checks it. An error names the group. */
static enum err use(struct peers *peers, int set, const char *group, const char *text,
                    struct error *e)
{
    char *copy = mem_strdup(text), *at, *end;
    const char **urls = mem_zalloc((strlen(text) + 1) * sizeof(*urls));
    struct error why = {.code = ERR_OK};
    size_t n = 0;

    for (at = copy; (end = strchr(at, '\n')); at = end + 1) {
        *end = '\0';
        urls[n++] = at;
    }
    if (set ? peers_set(peers, urls, n, &why) : peers_check(peers, urls, n, &why))
        error_set(e, why.code, "group \"%s\": %s", group, why.msg);
    mem_free(urls);
    mem_free(copy);
    return why.code;
}

enum err group_peers_replace(struct group_peers *p, const char *group, const char *urls,
                             struct error *e)
{
    if (urls && !p->made)
        p->made = peers_like(p->set->common);
    if (urls && use(p->made, 1, group, urls, e))
        return e->code;
    atomic_store(&p->own, urls ? p->made : NULL);
    return ERR_OK;
}

enum err group_peers_check(const struct group_peers_set *ps, const char *group, const char *urls,
                           struct error *e)
{
    return urls ? use(ps->common, 0, group, urls, e) : ERR_OK;
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

void *group_peers_ctx(const struct group_peers *p)
{
    return p->set->ctx;
}
