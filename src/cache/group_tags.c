/* SPDX-License-Identifier: MIT */
/* group_tags.c - values whose tags were removed.
 *
 * A load may be under way when one of its tags is removed, and nobody knows the tags before its
 * end. So gets go on to join it. When it has ended, those that joined after the removal begin
 * another load: the value is older than the removal that they may know of. */
#include "base/clock.h"
#include "cache/group_in.h"

uint64_t group_tags_removed_locked(const struct group *g, const struct item *it, uint64_t began)
{
    uint32_t hashes[EXTRA_TAGS];
    size_t n;
    const char *extra = item_extra(it, &n);

    return tags_removed(&g->tags, hashes, extra_tag_hashes(extra, n, hashes), began);
}

int group_tags_check_locked(struct group *g, struct item *it)
{
    if (!it->tagged || item_tags_began(it) == g->tags.last)
        return 1;
    if (group_tags_outdate_locked(g, it))
        return 0;
    item_set_tags_began(it, g->tags.last); /* no earlier removal is of its tags */
    return 1;
}

void group_tags_change_locked(struct group *g, const struct key_ref *k)
{
    uint32_t hash;

    if (!tags_is_key(k->bytes, k->n, &hash))
        return;
    tags_remove(&g->tags, hash);
    g->tags_ms = clock_ms();
    g->stats.tag_removes++;
}

int group_tags_changed_locked(const struct group *g, const char *extra, size_t n, uint64_t since_ms)
{
    uint32_t hashes[EXTRA_TAGS];
    size_t i, n_tags = extra_tag_hashes(extra, n, hashes);
    char key[TAGS_KEY];

    for (i = 0; i < n_tags; i++) {
        tags_key(key, hashes[i]);
        if (changelog_has(&g->log, changelog_name(g->number, key, TAGS_KEY), since_ms))
            return 1;
    }
    return 0;
}

void group_tags_sort_out_locked(struct group *g, const struct flight *f, const struct item *it,
                                struct list *woken, struct list *late)
{
    uint64_t removed = it && it->tagged ? group_tags_removed_locked(g, it, f->tags_began) : 0;
    struct list *l, *next;

    if (!removed)
        return;
    list_each_safe (l, next, woken) {
        const struct waiter *w = list_entry(l, struct waiter, link);

        if (w->tags_seen < removed)
            continue;
        if (w->from)
            flight_ref(w->from);
        list_del(l);
        list_push_back(late, l);
    }
}
