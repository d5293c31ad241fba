/* SPDX-License-Identifier: MIT */
/* outline.c - six numbers: dialect, hash, replicas, base_path (32 bits of its hash), how many peers
 * there are, and a hash of their sorted names. The first two are places in enums, whose order is a
 * part of the protocol between our nodes. */
#include "peer/outline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"

#define FORM "%u.%u.%u.%" PRIx32 ".%u.%" PRIx64
#define FORM_IN "%u.%u.%u.%" SCNx32 ".%u.%" SCNx64 "%n"

struct parts {
    unsigned dialect, hash, replicas, n;
    uint32_t base_path;
    uint64_t peers;
};

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names are parted by NULs. */
static uint64_t hash_names(const char *const *names, size_t n)
{
    const char **sorted = mem_zalloc((n + 1) * sizeof(*sorted));
    struct buf all;
    uint64_t hash;
    size_t i;

    if (n)
        memcpy(sorted, names, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare);
    buf_init(&all, 0);
    for (i = 0; i < n; i++)
        buf_put(&all, sorted[i], strlen(sorted[i]) + 1);
    hash = hash_fnv1a_64(all.data, all.len);
    buf_deinit(&all);
    mem_free(sorted);
    return hash;
}

void outline_put(const struct outline *o, const char *const *names, size_t n,
                 char out[OUTLINE_TEXT])
{
    snprintf(out, OUTLINE_TEXT, FORM, (unsigned)o->dialect, (unsigned)o->hash,
             (unsigned)o->replicas, hash_fnv1a_32(o->base_path, strlen(o->base_path)), (unsigned)n,
             hash_names(names, n));
}

/* 0: the text has another form. */
static int parse(const char *text, struct parts *out)
{
    int end = 0;

    return sscanf(text, FORM_IN, &out->dialect, &out->hash, &out->replicas, &out->base_path,
                  &out->n, &out->peers, &end) == 6 &&
           text[end] == '\0';
}

static void add(char out[OUTLINE_WHY], const char *text)
{
    size_t n = strlen(out);

    snprintf(out + n, OUTLINE_WHY - n, "%s%s", n ? ", " : "", text);
}

static const char *dialect_of(const struct parts *p)
{
    return p->dialect < DIALECT_COUNT ? dialect_name((enum dialect)p->dialect) : "an unknown one";
}

static const char *hash_of(const struct parts *p)
{
    return p->hash < HASH_KINDS ? hash_kind_name((enum hash_kind)p->hash) : "an unknown one";
}

static void explain_settings(const struct parts *a, const struct parts *b, char out[OUTLINE_WHY])
{
    char one[OUTLINE_WHY];

    if (a->dialect != b->dialect) {
        snprintf(one, sizeof(one), "dialect %s here and %s there", dialect_of(a), dialect_of(b));
        add(out, one);
    }
    if (a->hash != b->hash) {
        snprintf(one, sizeof(one), "hash %s here and %s there", hash_of(a), hash_of(b));
        add(out, one);
    }
    if (a->replicas != b->replicas) {
        snprintf(one, sizeof(one), "replicas %u here and %u there", a->replicas, b->replicas);
        add(out, one);
    }
}

static void explain_peers(const struct parts *a, const struct parts *b, char out[OUTLINE_WHY])
{
    char one[OUTLINE_WHY];

    if (a->n != b->n)
        snprintf(one, sizeof(one), "%u peers here and %u there", a->n, b->n);
    else
        snprintf(one, sizeof(one), "%u peers here and there, but not the same", a->n);
    if (a->n != b->n || a->peers != b->peers)
        add(out, one);
}

/* A request to another base_path names no group, so its peers may be those of any group. */
void outline_explain(const char *ours, const char *theirs, char out[OUTLINE_WHY])
{
    struct parts a, b;

    out[0] = '\0';
    if (!parse(ours, &a) || !parse(theirs, &b)) {
        add(out, "the other node says it in an unknown form");
        return;
    }
    explain_settings(&a, &b, out);
    if (a.base_path != b.base_path)
        add(out, "base_path");
    else
        explain_peers(&a, &b, out);
}
