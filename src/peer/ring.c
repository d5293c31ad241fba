/* SPDX-License-Identifier: MIT */
/* ring.c - points sorted by hash, and an index into them.
 *
 * The owner of a key has the first point at or after the key's hash, or else the first of all
 * points. Go finds it by binary search among all points. Here the top bits of the hash choose a
 * slot of an index with about one slot a point, and only that slot is searched. If a hash spreads
 * points badly, a slot may hold many points.
 *
 * Hashes of 32 bits, too, stand at the top of 64 bits, so one order and one index serve all. Go's
 * forks sort hashes as signed numbers: the same circle with another start. */
#include "peer/ring.h"

#include <string.h>

#include "base/md5.h"
#include "base/mem.h"

enum { INDEX_DIGITS = 10 /* digits of a replica's number, at most */, MAX_INDEX_BITS = 24 };

struct point {
    uint64_t hash;
    uint32_t peer;
};

struct ring {
    enum hash_kind hash;
    unsigned lift;        /* shift of a hash to the top of 64 bits */
    struct point *points; /* owned, sorted by hash, no hash twice */
    size_t n;
    uint32_t *index; /* owned; index[s]: the first point with hash >> shift >= s */
    unsigned shift;  /* 64 - bits of the index */
};

static uint64_t lifted_hash(const struct ring *r, const void *bytes, size_t n)
{
    return hash_ring(r->hash, bytes, n) << r->lift;
}

/* "<i><peer>": the digits are put in front of the name, which stands INDEX_DIGITS into `text`. */
static uint64_t point_hash(const struct ring *r, enum ring_points points, char *text, unsigned i,
                           size_t peer_len)
{
    char *at = text + INDEX_DIGITS, hex[MD5_HEX];
    size_t n;

    do {
        *--at = (char)('0' + i % 10);
        i /= 10;
    } while (i);
    n = (size_t)(text + INDEX_DIGITS - at) + peer_len;
    if (points == RING_PLAIN)
        return lifted_hash(r, at, n);
    md5_hex(hex, at, n);
    return lifted_hash(r, hex, sizeof(hex));
}

/* Sorts by hash, byte by byte from the lowest (radix sort), so that equal hashes keep their order.
 * `spare` has room for n points. Returns the sorted points. */
static struct point *sort_points(struct point *points, struct point *spare, size_t n)
{
    unsigned shift;

    for (shift = 0; shift < 64; shift += 8) {
        size_t starts[257] = {0}, k, b;
        struct point *swap = points;

        for (k = 0; k < n; k++)
            starts[(points[k].hash >> shift & 255) + 1]++;
        if (starts[(points[0].hash >> shift & 255) + 1] == n)
            continue; /* all have the same byte here */
        for (b = 1; b < 257; b++)
            starts[b] += starts[b - 1];
        for (k = 0; k < n; k++)
            spare[starts[points[k].hash >> shift & 255]++] = points[k];
        points = spare;
        spare = swap;
    }
    return points;
}

/* Of equal points the last peer's stays, like in Go's map. Returns the number of points left. */
static size_t drop_equal(struct point *points, size_t n)
{
    size_t k, kept = 0;

    for (k = 0; k < n; k++) {
        if (k + 1 == n || points[k].hash != points[k + 1].hash)
            points[kept++] = points[k];
    }
    return kept;
}

/* Hashes all points, peer by peer. */
static enum err make_points(const struct ring *r, enum ring_points points, const char *const *peers,
                            size_t n, unsigned replicas, struct point *out)
{
    size_t p, longest = 0;
    unsigned i;
    char *text;

    for (p = 0; p < n; p++)
        longest = strlen(peers[p]) > longest ? strlen(peers[p]) : longest;
    text = mem_alloc(INDEX_DIGITS + longest);
    if (!text)
        return ERR_NOMEM;
    for (p = 0; p < n; p++) {
        size_t len = strlen(peers[p]);

        if (len)
            memcpy(text + INDEX_DIGITS, peers[p], len);
        for (i = 0; i < replicas; i++, out++)
            *out = (struct point){point_hash(r, points, text, i, len), (uint32_t)p};
    }
    mem_free(text);
    return ERR_OK;
}

static enum err fill(struct ring *r, enum ring_points points, const char *const *peers, size_t n,
                     unsigned replicas)
{
    size_t total = n * replicas;
    struct point *made = mem_alloc(total * sizeof(*made)),
                 *spare = mem_alloc(total * sizeof(*spare));

    if (!made || !spare || make_points(r, points, peers, n, replicas, made)) {
        mem_free(made);
        mem_free(spare);
        return ERR_NOMEM;
    }
    r->points = sort_points(made, spare, total);
    mem_free(r->points == made ? spare : made);
    r->n = drop_equal(r->points, total);
    return ERR_OK;
}

static enum err build_index(struct ring *r)
{
    unsigned bits = 1;
    size_t slots, s, k = 0;

    while (bits < MAX_INDEX_BITS && ((size_t)1 << bits) < r->n)
        bits++;
    slots = (size_t)1 << bits;
    r->shift = 64 - bits;
    r->index = mem_alloc((slots + 1) * sizeof(*r->index));
    if (!r->index)
        return ERR_NOMEM;
    for (s = 0; s <= slots; s++) {
        while (k < r->n && r->points[k].hash >> r->shift < s)
            k++;
        r->index[s] = (uint32_t)k;
    }
    return ERR_OK;
}

struct ring *ring_new(enum hash_kind hash, enum ring_points points, const char *const *peers,
                      size_t n, unsigned replicas, struct error *e)
{
    struct ring *r;

    if (replicas < 1 || replicas > RING_MAX_REPLICAS || n > RING_MAX_POINTS / replicas) {
        error_set(e, ERR_INVAL,
                  "a ring of %zu peers with %u replicas each: replicas are 1 to %d, "
                  "points at most %d",
                  n, replicas, RING_MAX_REPLICAS, RING_MAX_POINTS);
        return NULL;
    }
    r = mem_zalloc(sizeof(*r));
    r->hash = hash;
    r->lift = 64 - hash_kind_bits(hash);
    if (n == 0)
        return r;
    if (fill(r, points, peers, n, replicas) || build_index(r)) {
        error_set(e, ERR_NOMEM, "no memory for a ring of %zu points", n * replicas);
        ring_free(r);
        return NULL;
    }
    return r;
}

void ring_free(struct ring *r)
{
    if (!r)
        return;
    mem_free(r->points);
    mem_free(r->index);
    mem_free(r);
}

/* The place of the key's point among all points. */
static size_t find(const struct ring *r, const void *key, size_t key_len)
{
    uint64_t hash = lifted_hash(r, key, key_len);
    size_t low = r->index[hash >> r->shift];
    size_t high = r->index[(hash >> r->shift) + 1]; /* also if all points of the slot are below */

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->points[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->n ? low : 0;
}

size_t ring_owner(const struct ring *r, const void *key, size_t key_len)
{
    return r->n ? r->points[find(r, key, key_len)].peer : SIZE_MAX;
}

size_t ring_next(const struct ring *r, const void *key, size_t key_len,
                 int (*skip)(void *arg, size_t peer), void *arg)
{
    size_t first = r->n ? find(r, key, key_len) : 0, k;

    for (k = 0; k < r->n; k++) {
        size_t peer = r->points[(first + k) % r->n].peer;

        if (!skip(arg, peer))
            return peer;
    }
    return SIZE_MAX;
}

void ring_shares(const struct ring *r, uint32_t *shares, size_t n)
{
    double *parts = mem_zalloc((n + 1) * sizeof(*parts));
    size_t i;

    for (i = 0; i < r->n; i++) {
        uint64_t before = r->points[i ? i - 1 : r->n - 1].hash;

        /* The circle has 2^64 places. A lone point owns all of them. */
        parts[r->points[i].peer] += r->n == 1 ? 1 : (double)(r->points[i].hash - before) * 0x1p-64;
    }
    for (i = 0; i < n; i++)
        shares[i] = (uint32_t)(parts[i] * 1e6 + 0.5);
    mem_free(parts);
}
