/* SPDX-License-Identifier: MIT */
#include "script/defs.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "script/constants.h"

struct defs {
    struct def *list;
    size_t n, cap;
    size_t *slots; /* open addressing by hash of the name: place in list + 1, or 0; owned */
    size_t mask;   /* number of slots, less one; slots may be NULL */
    struct def_background *backgrounds;
    size_t n_backgrounds;
    struct constants *constants; /* a reference */
    size_t constants_hint;       /* of constants_find() */
};

struct defs *defs_new(void)
{
    struct defs *ds = mem_zalloc(sizeof(*ds));

    ds->constants = constants_new();
    return ds;
}

void defs_free(struct defs *ds)
{
    size_t i;

    if (!ds)
        return;
    for (i = 0; i < ds->n; i++) {
        mem_free(ds->list[i].name);
        mem_free(ds->list[i].where);
        mem_free(ds->list[i].content_type);
        mem_free(ds->list[i].pass_headers);
        mem_free(ds->list[i].keying);
        mem_free(ds->list[i].writers);
        mem_free(ds->list[i].peers);
    }
    for (i = 0; i < ds->n_backgrounds; i++) {
        mem_free(ds->backgrounds[i].name);
        mem_free(ds->backgrounds[i].where);
    }
    constants_unref(ds->constants);
    mem_free(ds->backgrounds);
    mem_free(ds->list);
    mem_free(ds->slots);
    mem_free(ds);
}

/* The slot that has the name, or the free slot for it. */
static size_t *slot_of(const struct defs *ds, const char *name)
{
    size_t i = hash_table(name, strlen(name)) & ds->mask;

    while (ds->slots[i] && strcmp(ds->list[ds->slots[i] - 1].name, name) != 0)
        i = (i + 1) & ds->mask;
    return &ds->slots[i];
}

const struct def *defs_find(const struct defs *ds, const char *name)
{
    size_t at = ds->slots ? *slot_of(ds, name) : 0;

    return at ? &ds->list[at - 1] : NULL;
}

/* Twice as many slots as there is room in the list, so that most names are found at once. */
static void index_again(struct defs *ds)
{
    size_t i;

    mem_free(ds->slots);
    ds->mask = 2 * ds->cap - 1;
    ds->slots = mem_zalloc((ds->mask + 1) * sizeof(*ds->slots));
    for (i = 0; i < ds->n; i++)
        *slot_of(ds, ds->list[i].name) = i + 1;
}

enum err defs_add(struct defs *ds, const struct def *d, struct error *e)
{
    const struct def *same = defs_find(ds, d->name);
    struct def *copy;

    if (same)
        return error_set(e, ERR_INVAL, "group \"%s\" is already defined at %s", d->name,
                         same->where);
    if (ds->n == ds->cap) {
        size_t cap = ds->cap ? ds->cap * 2 : 8;
        struct def *list = mem_realloc(ds->list, cap * sizeof(*list));

        if (!list)
            return error_set(e, ERR_NOMEM, "no memory for group \"%s\"", d->name);
        ds->list = list;
        ds->cap = cap;
        index_again(ds);
    }
    copy = &ds->list[ds->n++];
    *copy = *d;
    copy->name = mem_strdup(d->name);
    copy->where = mem_strdup(d->where);
    copy->content_type = mem_strdup(d->content_type);
    copy->pass_headers = mem_strdup(d->pass_headers);
    copy->keying = mem_strdup(d->keying);
    copy->writers = mem_strdup(d->writers);
    copy->peers = d->peers ? mem_strdup(d->peers) : NULL;
    *slot_of(ds, copy->name) = ds->n;
    return ERR_OK;
}

size_t defs_count(const struct defs *ds)
{
    return ds->n;
}

int defs_make_keys(const struct defs *ds)
{
    size_t i;

    for (i = 0; i < ds->n; i++) {
        if (ds->list[i].key_args)
            return 1;
    }
    return 0;
}

const struct def *defs_at(const struct defs *ds, size_t i)
{
    return &ds->list[i];
}

static enum err compare_one(const struct def *a, const struct def *b, struct error *e)
{
#define X(type, field, initial)                                                                    \
    if (a->opts.field != b->opts.field)                                                            \
        return error_set(e, ERR_INVAL,                                                             \
                         "group \"%s\" is not the same in every VM: " #field                       \
                         " is %llu at %s, and %llu at %s",                                         \
                         a->name, (unsigned long long)a->opts.field, a->where,                     \
                         (unsigned long long)b->opts.field, b->where);
    GROUP_NUMBERS(X)
#undef X
    if (strcmp(a->content_type, b->content_type) != 0)
        return error_set(e, ERR_INVAL,
                         "group \"%s\" is not the same in every VM: content_type is "
                         "\"%s\" at %s, and \"%s\" at %s",
                         a->name, a->content_type, a->where, b->content_type, b->where);
    if (strcmp(a->pass_headers, b->pass_headers) != 0)
        return error_set(e, ERR_INVAL,
                         "group \"%s\" is not the same in every VM: pass_headers at "
                         "%s are others than at %s",
                         a->name, a->where, b->where);
    if (strcmp(a->keying, b->keying) != 0)
        return error_set(e, ERR_INVAL,
                         "group \"%s\" is not the same in every VM: query, vary or key at "
                         "%s are others than at %s",
                         a->name, a->where, b->where);
    if (!a->peers != !b->peers || (a->peers && strcmp(a->peers, b->peers) != 0))
        return error_set(e, ERR_INVAL,
                         "group \"%s\" is not the same in every VM: peers at "
                         "%s are others than at %s",
                         a->name, a->where, b->where);
    if (strcmp(a->where, b->where) != 0)
        return error_set(e, ERR_INVAL,
                         "group \"%s\" is not the same in every VM: it is defined "
                         "at %s, and at %s",
                         a->name, a->where, b->where);
    return ERR_OK;
}

/* Checks that b has each group of a, with the same options. */
static enum err within(const struct defs *a, const struct defs *b, struct error *e)
{
    size_t i;

    for (i = 0; i < a->n; i++) {
        const struct def *d = &a->list[i], *other = defs_find(b, d->name);

        if (!other)
            return error_set(e, ERR_INVAL,
                             "group \"%s\" is not the same in every VM: it is "
                             "defined at %s in one, and not at all in another%s%s",
                             d->name, d->where, b->n ? ", whose last group is defined at " : "",
                             b->n ? b->list[b->n - 1].where : "");
        if (compare_one(d, other, e))
            return e->code;
    }
    return ERR_OK;
}

enum err defs_compare(const struct defs *a, const struct defs *b, struct error *e)
{
    return within(a, b, e) ? e->code : within(b, a, e);
}

/* --- background functions --- */

static const struct def_background *find_background(const struct defs *ds, const char *name)
{
    size_t i;

    for (i = 0; i < ds->n_backgrounds; i++) {
        if (strcmp(ds->backgrounds[i].name, name) == 0)
            return &ds->backgrounds[i];
    }
    return NULL;
}

/* A loop may define several functions at one place. */
static char *name_of_place(const struct defs *ds, const char *where)
{
    char name[300];
    unsigned number = 1;

    snprintf(name, sizeof(name), "%s", where);
    while (find_background(ds, name))
        snprintf(name, sizeof(name), "%s#%u", where, ++number);
    return mem_strdup(name);
}

enum err defs_add_background(struct defs *ds, const struct def_background *d, struct error *e)
{
    const struct def_background *same = d->name ? find_background(ds, d->name) : NULL;
    struct def_background copy = *d;

    if (same)
        return error_set(e, ERR_INVAL, "background function \"%s\" is already defined at %s",
                         d->name, same->where);
    copy.name = d->name ? mem_strdup(d->name) : name_of_place(ds, d->where);
    copy.where = mem_strdup(d->where);
    ds->backgrounds = mem_realloc(ds->backgrounds, (ds->n_backgrounds + 1) * sizeof(copy));
    ds->backgrounds[ds->n_backgrounds++] = copy;
    return ERR_OK;
}

size_t defs_count_backgrounds(const struct defs *ds)
{
    return ds->n_backgrounds;
}

const struct def_background *defs_background_at(const struct defs *ds, size_t i)
{
    return &ds->backgrounds[i];
}

/* --- constants --- */

void defs_share_constants(struct defs *ds, const struct defs *from)
{
    struct constants *own = ds->constants;

    ds->constants = constants_ref(from->constants);
    constants_unref(own);
}

struct constants *defs_constants(struct defs *ds, size_t **hint)
{
    *hint = &ds->constants_hint;
    return ds->constants;
}
