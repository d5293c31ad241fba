/* SPDX-License-Identifier: MIT */
#include "http/sending.h"

#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/item.h"
#include "http/crowd.h"
#include "http/tally.h"

enum {
    YOUNG_MS = 1000, /* until a reader's speed is known */
    PAUSE_MS = 10    /* between two looks at all readers */
};

#define UNKNOWN 1e17 /* the speed of a reader on a UNIX socket */
#define FAST 1e18    /* the speed of a reader that is not to be closed is above all others */

struct sending {
    struct sendings *of;
    struct list link;
    struct sending *chain; /* next in the bucket */
    struct item *item;     /* a reference, or NULL */
    char *bytes;           /* owned, or NULL */
    size_t n;
    int fd;
    int counts;        /* 1: its bytes are in sendings.bytes; 0: those of the same item are */
    int closed;        /* 1: its socket was shut down */
    uint64_t since_ms; /* of the first look; 0: none yet */
    uint64_t acked;    /* by the other side until then */
    double speed;      /* of the reader, as of the last look */
};

void sendings_init(struct sendings *ss, struct tally *tally)
{
    memset(ss, 0, sizeof(*ss));
    pthread_mutex_init(&ss->mu, NULL);
    ss->tally = tally;
    list_init(&ss->all);
}

void sendings_deinit(struct sendings *ss)
{
    pthread_mutex_destroy(&ss->mu);
}

static struct sending **bucket_of(struct sendings *ss, const struct item *it)
{
    return &ss->by_item[(uintptr_t)it / sizeof(void *) / 8 % SENDING_BUCKETS];
}

/* Another answer of the same item, or NULL. */
static struct sending *sibling_locked(struct sendings *ss, const struct item *it)
{
    struct sending *s = it ? *bucket_of(ss, it) : NULL;

    while (s && s->item != it)
        s = s->chain;
    return s;
}

static int is_held(const struct sending *s)
{
    return s->counts && !s->closed && (!s->item || !item_is_in(s->item));
}

static size_t held_locked(const struct sendings *ss)
{
    const struct list *l;
    size_t held = 0;

    list_each (l, &ss->all) {
        const struct sending *s = list_entry(l, const struct sending, link);

        held += is_held(s) ? s->n : 0;
    }
    return held;
}

/* Bytes a millisecond that the other side has taken. */
static double speed_of(const struct sending *s, uint64_t now_ms)
{
    uint64_t acked = crowd_acked(s->fd);

    if (acked == CROWD_UNKNOWN)
        return UNKNOWN;
    return (double)(acked - s->acked) / (double)(now_ms - s->since_ms);
}

/* Asks the kernel for the speed of every reader that could be closed. */
static void measure_locked(struct sendings *ss, uint64_t now_ms)
{
    struct list *l;

    list_each (l, &ss->all) {
        struct sending *s = list_entry(l, struct sending, link);
        int may_be_closed = !s->closed && !(s->item && item_is_in(s->item)) && s->since_ms &&
                            s->since_ms + YOUNG_MS <= now_ms;

        s->speed = may_be_closed ? speed_of(s, now_ms) : FAST;
        if (!s->since_ms) {
            s->since_ms = now_ms;
            s->acked = crowd_acked(s->fd);
        }
    }
}

/* The slowest reader that is not faster than `most`, or NULL. */
static struct sending *slowest_locked(struct sendings *ss, double most)
{
    struct sending *slowest = NULL;
    struct list *l;

    list_each (l, &ss->all) {
        struct sending *s = list_entry(l, struct sending, link);

        if (s->speed <= most && !s->closed) {
            most = s->speed;
            slowest = s;
        }
    }
    return slowest;
}

/* Closes a reader; its bytes count for another reader of the same item, if there is one. */
static void close_locked(struct sendings *ss, struct sending *s)
{
    struct sending *other = sibling_locked(ss, s->item);

    tally_add(&ss->tally->slow_readers);
    log_debug("server", "closed a connection", "why=\"slow readers hold too many bytes\" bytes=%zu",
              s->n);
    s->closed = 1;
    shutdown(s->fd, SHUT_RDWR);
    while (other && (other->item != s->item || other->closed))
        other = other->chain;
    if (s->counts && other) {
        s->counts = 0;
        other->counts = 1;
    }
}

/* Closes readers that are not faster than `most`, the slowest first, until at most `bytes` are
 * held. It asks the kernel about every reader, so it pauses in between. */
static void shrink_locked(struct sendings *ss, size_t bytes, double most, uint64_t now_ms)
{
    struct sending *s;

    if (now_ms < ss->next_ms)
        return;
    ss->next_ms = now_ms + PAUSE_MS;
    measure_locked(ss, now_ms);
    while (held_locked(ss) > bytes && (s = slowest_locked(ss, most)))
        close_locked(ss, s);
}

/* Whether n more bytes may be held. */
static int has_room_locked(struct sendings *ss, size_t n, uint64_t now_ms)
{
    size_t rest = n < SENDING_BYTES ? SENDING_BYTES - n : 0;

    if (ss->bytes <= rest || held_locked(ss) <= rest)
        return 1;
    shrink_locked(ss, rest, SENDING_LEAST_BYTES_A_MS, now_ms);
    return held_locked(ss) <= rest;
}

static void link_locked(struct sendings *ss, struct sending *s)
{
    struct sending **at;

    s->counts = !sibling_locked(ss, s->item);
    ss->bytes += s->counts ? s->n : 0;
    list_push_back(&ss->all, &s->link);
    if (!s->item)
        return;
    at = bucket_of(ss, s->item);
    s->chain = *at;
    *at = s;
}

static void unlink_locked(struct sendings *ss, struct sending *s)
{
    struct sending **at, *other;

    list_del(&s->link);
    if (s->item) {
        for (at = bucket_of(ss, s->item); *at != s; at = &(*at)->chain)
            ;
        *at = s->chain;
    }
    other = s->counts ? sibling_locked(ss, s->item) : NULL;
    if (other)
        other->counts = 1;
    else if (s->counts)
        ss->bytes -= s->n;
}

static struct sending *make(struct sendings *ss, const struct guest *g, struct item *it,
                            char *bytes, size_t n)
{
    struct sending *s = mem_alloc(sizeof(*s));

    if (!s)
        return NULL;
    *s = (struct sending){.of = ss, .item = it, .bytes = bytes, .n = n, .fd = g->fd};
    return s;
}

struct sending *sending_new(struct sendings *ss, struct guest *g, struct item *it, char *bytes,
                            size_t n, struct error *e)
{
    uint64_t now_ms = clock_ms();
    struct sending *s = make(ss, g, it, bytes, n);
    size_t more;
    int room;

    if (!s) {
        error_set(e, ERR_NOMEM, "no memory for an answer");
        return NULL;
    }
    pthread_mutex_lock(&ss->mu);
    more = it && (item_is_in(it) || sibling_locked(ss, it)) ? 0 : n;
    room = !more || has_room_locked(ss, more, now_ms);
    if (room)
        link_locked(ss, s);
    pthread_mutex_unlock(&ss->mu);
    if (room) {
        crowd_answer_until(g, now_ms + CROWD_ANSWER_MS + n / CROWD_BYTES_A_MS);
        return s;
    }
    tally_add(&ss->tally->unsent);
    mem_free(s);
    error_set(e, ERR_BUSY, "no room for an answer of %zu bytes: slow readers hold %d already", n,
              SENDING_BYTES);
    return NULL;
}

void sending_free(void *sending)
{
    struct sending *s = sending;

    pthread_mutex_lock(&s->of->mu);
    unlink_locked(s->of, s);
    pthread_mutex_unlock(&s->of->mu);
    item_unref(s->item);
    mem_free(s->bytes);
    mem_free(s);
}

/* Whether one answer holds all. */
static int is_one_alone_locked(const struct sendings *ss)
{
    const struct list *l;
    unsigned n = 0;

    list_each (l, &ss->all)
        n += is_held(list_entry(l, const struct sending, link)) ? 1 : 0;
    return n == 1;
}

void sendings_tick(struct sendings *ss, uint64_t now_ms)
{
    pthread_mutex_lock(&ss->mu);
    if (ss->bytes > SENDING_BYTES / 2 && now_ms >= ss->look_ms) { /* to know who is slow in time */
        ss->look_ms = now_ms + YOUNG_MS;
        measure_locked(ss, now_ms);
    }
    if (ss->bytes > SENDING_BYTES && held_locked(ss) > SENDING_BYTES)
        shrink_locked(ss, SENDING_BYTES,
                      is_one_alone_locked(ss) ? (double)SENDING_LEAST_BYTES_A_MS : FAST / 2,
                      now_ms);
    pthread_mutex_unlock(&ss->mu);
}

size_t sendings_held(struct sendings *ss)
{
    size_t held;

    pthread_mutex_lock(&ss->mu);
    held = held_locked(ss);
    pthread_mutex_unlock(&ss->mu);
    return held;
}
