/* SPDX-License-Identifier: MIT */
#include "cache/shared.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { ADMIT_SHARE = 8 };

struct shared {
    char *name;     /* set once */
    uint64_t bytes; /* set once */
    pthread_mutex_t mu;
    struct lru *lru; /* guarded by mu */
};

struct shared *shared_new(const char *name, uint64_t bytes)
{
    struct shared *s = mem_zalloc(sizeof(*s));

    s->name = mem_strdup(name);
    s->bytes = bytes;
    pthread_mutex_init(&s->mu, NULL);
    s->lru = lru_new();
    return s;
}

void shared_free(struct shared *s)
{
    if (!s)
        return;
    lru_free(s->lru);
    pthread_mutex_destroy(&s->mu);
    mem_free(s->name);
    mem_free(s);
}

const char *shared_name(const struct shared *s)
{
    return s->name;
}

/* Borrowed. An entry past its end is removed. */
static struct item *find_locked(struct shared *s, const struct key_ref *k)
{
    struct item *it = lru_get(s->lru, k);

    if (!it || !it->mortal || item_expires_ms(it) > clock_ms())
        return it;
    lru_get_missed(s->lru);
    item_unref(lru_del(s->lru, k));
    return NULL;
}

struct item *shared_get(struct shared *s, const struct key_ref *k)
{
    struct item *it;

    pthread_mutex_lock(&s->mu);
    it = find_locked(s, k);
    if (it)
        item_ref(it);
    pthread_mutex_unlock(&s->mu);
    return it;
}

/* NULL: e says why. */
static struct item *make(const struct shared *s, const struct key_ref *k, int kind,
                         const void *bytes, size_t n, uint64_t expires_ms, struct error *e)
{
    struct item *it = item_new(k, NULL, n + 1, expires_ms);

    if (!it) {
        if (k->n > ITEM_MAX_KEY)
            error_set(e, ERR_INVAL, "shared %s: the key has %zu bytes, and at most %d can be kept",
                      s->name, k->n, ITEM_MAX_KEY);
        else
            error_set(e, ERR_NOMEM, "shared %s: no memory for an entry", s->name);
        return NULL;
    }
    item_value(it)[0] = (char)kind;
    if (n)
        memcpy(item_value(it) + 1, bytes, n);
    return it;
}

/* Takes the reference. NULL: e says why. */
static enum err put_locked(struct shared *s, struct item *it, struct error *e)
{
    if (!it)
        return e->code;
    if (item_cost(it) > s->bytes / ADMIT_SHARE) {
        error_set(e, ERR_TOOBIG, "shared %s: an entry of %llu bytes, and at most %llu fit", s->name,
                  (unsigned long long)item_cost(it), (unsigned long long)(s->bytes / ADMIT_SHARE));
        item_unref(it);
        return ERR_TOOBIG;
    }
    item_unref(lru_del_same(s->lru, it));
    while (lru_bytes(s->lru) + item_cost(it) > s->bytes) {
        struct item *victim = lru_evict(s->lru, item_cost(it));

        if (!victim)
            break;
        item_unref(victim);
    }
    item_unref(lru_put(s->lru, it));
    return ERR_OK;
}

static uint64_t end_ms(uint64_t ttl_ms)
{
    return ttl_ms ? clock_ms() + ttl_ms : 0;
}

enum err shared_set(struct shared *s, const struct key_ref *k, int kind, const void *bytes,
                    size_t n, uint64_t ttl_ms, struct error *e)
{
    struct item *it = make(s, k, kind, bytes, n, end_ms(ttl_ms), e);
    enum err code;

    pthread_mutex_lock(&s->mu);
    code = put_locked(s, it, e);
    pthread_mutex_unlock(&s->mu);
    return code;
}

int shared_remove(struct shared *s, const struct key_ref *k)
{
    struct item *it;

    pthread_mutex_lock(&s->mu);
    it = lru_del(s->lru, k);
    pthread_mutex_unlock(&s->mu);
    item_unref(it);
    return it != NULL;
}

static enum err incr_locked(struct shared *s, const struct key_ref *k, double by, double *sum,
                            uint64_t expires_ms, struct error *e)
{
    struct item *it = find_locked(s, k);

    if (it && item_value(it)[0] != SHARED_NUMBER)
        return error_set(e, ERR_INVAL, "shared %s: the entry is a text, and incr needs a number",
                         s->name);
    if (it) {
        memcpy(sum, item_value(it) + 1, sizeof(*sum));
        expires_ms = item_expires_ms(it);
    }
    *sum += by;
    return put_locked(s, make(s, k, SHARED_NUMBER, sum, sizeof(*sum), expires_ms, e), e);
}

enum err shared_incr(struct shared *s, const struct key_ref *k, double by, double first,
                     uint64_t ttl_ms, double *out, struct error *e)
{
    enum err code;

    *out = first;
    pthread_mutex_lock(&s->mu);
    code = incr_locked(s, k, by, out, end_ms(ttl_ms), e);
    pthread_mutex_unlock(&s->mu);
    return code;
}

void shared_stats(struct shared *s, struct lru_stats *out)
{
    pthread_mutex_lock(&s->mu);
    lru_stats(s->lru, out);
    pthread_mutex_unlock(&s->mu);
}
