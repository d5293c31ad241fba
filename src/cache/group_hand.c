/* SPDX-License-Identifier: MIT */
#include "cache/group_hand.h"

#include "base/clock.h"
#include "cache/after.h"
#include "cache/group_in.h"

/* Ages are whole seconds, rounded down at both nodes. */
enum { AGE_ERROR_MS = 2000 };

static const uint64_t MAX_TTL_MS = UINT32_MAX; /* 49 days, as for the answers of peers */

/* Whether the key was changed here since the value was loaded, or may have been. */
static int is_outdated_locked(struct group *g, const struct key_ref *k,
                              const struct group_handed *v)
{
    uint64_t now = clock_ms(), age_ms, since_ms;

    /* a peer may say any age */
    age_ms = v->age_s < now / 1000 ? v->age_s * 1000 + AGE_ERROR_MS : now;
    since_ms = age_ms < now ? now - age_ms : 0;
    return changelog_has(&g->log, changelog_name(g->number, k->bytes, k->n), since_ms) ||
           group_tags_changed_locked(g, v->extra, v->extra_len, since_ms);
}

static int is_too_large_locked(const struct group *g, const struct group_handed *v)
{
    return extra_plain_bytes(v->extra, v->extra_len, v->n) > g->opts.max_value_bytes;
}

/* A peer may say any time. */
static uint64_t expiry_ms(const struct group_handed *v)
{
    if (!v->has_ttl)
        return 0;
    return clock_ms() + (v->ttl_ms < MAX_TTL_MS ? v->ttl_ms : MAX_TTL_MS);
}

/* NULL: no memory, or it has expired. */
static struct item *make(const struct key_ref *k, const struct group_handed *v)
{
    struct item *it = NULL;

    if (!v->has_ttl || v->ttl_ms)
        it = item_new_extra(k, v->bytes, v->n, expiry_ms(v), v->extra, v->extra_len);
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
    outdated = is_outdated_locked(g, &k, v) || is_too_large_locked(g, v);
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
    if (!found.live && !found.negative && !is_too_large_locked(g, v) && !g->closed &&
        !is_outdated_locked(g, k, v)) {
        if (it->tagged)
            item_set_tags_began(it, g->tags.last);
        kept = group_keep_put_main_locked(g, it, &a);
    }
    g->stats.handed += (uint64_t)kept;
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
    item_unref(it);
    return kept;
}

size_t group_hand_list(struct group *g, size_t max, struct item **out)
{
    size_t n, i, kept = 0;

    pthread_mutex_lock(&g->mu);
    n = lru_newest(g->main, max, out);
    for (i = 0; i < n; i++) {
        if (group_tags_check_locked(g, out[i]))
            out[kept++] = out[i];
        else
            item_unref(out[i]); /* the cache has another reference */
    }
    pthread_mutex_unlock(&g->mu);
    return kept;
}

int group_hand_of(const struct item *it, struct group_handed *out)
{
    uint64_t now = clock_ms();

    if (it->negative || (it->mortal && item_expires_ms(it) <= now))
        return 0;
    *out = (struct group_handed){.bytes = item_value((struct item *)(size_t)it),
                                 .n = it->value_len,
                                 .has_ttl = it->mortal,
                                 .ttl_ms = it->mortal ? item_expires_ms(it) - now : 0,
                                 .age_s = item_age_s(it, now)};
    out->extra = item_extra(it, &out->extra_len);
    return 1;
}
