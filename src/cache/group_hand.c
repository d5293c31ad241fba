/* SPDX-License-Identifier: MIT */
#include "cache/group_hand.h"

#include "base/clock.h"
#include "cache/after.h"
#include "cache/group_in.h"

/* Ages are whole seconds, rounded down at both nodes. */
enum { AGE_ERROR_MS = 2000 };

/* Whether the key was changed here since the value was loaded, or may have been. */
static int is_outdated_locked(struct group *g, const struct key_ref *k,
                              const struct group_handed *v)
{
    uint64_t now = clock_ms(), age_ms = v->age_s * 1000 + AGE_ERROR_MS;

    return changed_has(&g->changed, k->bytes, k->n, age_ms < now ? now - age_ms : 0);
}

/* NULL: no memory, or it has expired. */
static struct item *make(const struct key_ref *k, const struct group_handed *v)
{
    struct item *it = NULL;

    if (!v->has_ttl || v->ttl_ms)
        it = item_new_extra(k, v->bytes, v->n, v->has_ttl ? clock_ms() + v->ttl_ms : 0, v->extra,
                            v->extra_len);
    if (it)
        item_set_age(it, v->age_s);
    return it;
}

/* A change that comes between the look at the log and the end outdates the flight. */
int group_hand_finish(struct flight *f, const struct group_handed *v)
{
    struct group *g = f->group;
    struct key_ref k = flight_key(f);
    struct result r = {.source = SOURCE_PEER};
    int outdated;

    pthread_mutex_lock(&g->mu);
    outdated = is_outdated_locked(g, &k, v) || v->n > g->opts.max_value_bytes;
    pthread_mutex_unlock(&g->mu);
    r.item = outdated ? NULL : make(&k, v);
    if (!r.item)
        return 0;
    group_finish(f, &r);
    item_unref(r.item);
    return 1;
}

int group_hand_keep(struct group *g, const struct key_ref *k, const struct group_handed *v)
{
    struct item *it = make(k, v);
    struct found found;
    struct after a;
    int kept = 0;

    if (!it)
        return 0;
    after_init(&a);
    pthread_mutex_lock(&g->mu);
    group_keep_peek_locked(g, k, &found);
    if (!found.live && !found.negative && v->n <= g->opts.max_value_bytes && !g->closed &&
        !is_outdated_locked(g, k, v))
        kept = group_keep_put_main_locked(g, it, &a);
    g->stats.handed += (uint64_t)kept;
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
    item_unref(it);
    return kept;
}

size_t group_hand_list(struct group *g, size_t max, struct item **out)
{
    size_t n;

    pthread_mutex_lock(&g->mu);
    n = lru_newest(g->main, max, out);
    pthread_mutex_unlock(&g->mu);
    return n;
}

int group_hand_of(const struct item *it, struct group_handed *out)
{
    uint64_t now = clock_ms();

    if (it->negative || (it->expires_ms && it->expires_ms <= now))
        return 0;
    *out = (struct group_handed){.bytes = item_value((struct item *)(size_t)it),
                                 .n = it->value_len,
                                 .has_ttl = it->expires_ms != 0,
                                 .ttl_ms = it->expires_ms ? it->expires_ms - now : 0,
                                 .age_s = item_age_s(it, now)};
    out->extra = item_extra(it, &out->extra_len);
    return 1;
}
