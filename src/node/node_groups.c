/* SPDX-License-Identifier: MIT */
#include "node/node_groups.h"

#include <string.h>

#include "base/mem.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "node/group_peers.h"
#include "script/defs.h"

enum err node_groups_check(struct group_peers_set *peers, const struct defs *ds, struct error *e)
{
    size_t i;

    for (i = 0; i < defs_count(ds); i++) {
        if (group_peers_check(peers, defs_at(ds, i)->name, defs_at(ds, i)->peers, e))
            return e->code;
    }
    return ERR_OK;
}

enum err node_groups_set(struct groups *groups, struct group_peers_set *peers,
                         const struct loader *loader, const struct defs *ds, struct error *e)
{
    struct loader own = *loader;
    struct group_texts texts;
    enum err failed = ERR_OK;
    size_t i;

    for (i = 0; i < defs_count(ds) && !failed; i++) {
        const struct def *d = defs_at(ds, i);
        struct group *g = groups_find(groups, d->name, strlen(d->name));

        own.ctx = g ? group_ctx(g) : group_peers_take(peers);
        failed = group_peers_replace(own.ctx, d->name, d->peers, e);
        if (!g) {
            g = group_new(d->name, d->content_type, &d->opts, &own);
            groups_add(groups, g);
        }
        texts = (struct group_texts){d->content_type, d->pass_headers, d->writers, d->keying};
        group_configure(g, &texts, &d->opts);
        group_unref(g);
    }
    return failed;
}

/* Names of groups, collected while the set is held and used after it. */
struct names {
    const struct defs *defs;
    char **list; /* owned, like the names */
    size_t n;
};

static void collect_gone(void *arg, struct group *g)
{
    struct names *gone = arg;
    const char *name = group_name(g);

    if (defs_find(gone->defs, name))
        return;
    gone->list = mem_realloc(gone->list, (gone->n + 1) * sizeof(char *));
    gone->list[gone->n++] = mem_strdup(name);
}

size_t node_groups_remove(struct groups *groups, struct group_peers_set *peers,
                          const struct defs *ds)
{
    struct names gone = {ds, NULL, 0};
    size_t i;

    groups_each(groups, collect_gone, &gone);
    for (i = 0; i < gone.n; i++) {
        struct group *g = groups_remove(groups, gone.list[i]);

        group_close(g);
        group_peers_give_back(peers, group_ctx(g));
        group_unref(g);
        mem_free(gone.list[i]);
    }
    mem_free(gone.list);
    return gone.n;
}
