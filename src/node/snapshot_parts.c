/* SPDX-License-Identifier: MIT */
#include "node/snapshot_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/changelog.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "cache/item.h"
#include "change/missed.h"
#include "peer/peers.h"
#include "store/snapshot_read.h"

enum {
    ASK_MS = 2000,
    LOOK_AT_CLOCK = 1 << 20, /* bytes of values, where */
    AN_ITEM = 1 << 10        /* an item counts as so many more */
};

/* The part of one group. */
struct part {
    struct group *group; /* a reference */
    struct peers *peers;
    uint64_t number, content;
    int alone;
    struct missed *asked; /* NULL: alone */
    struct buf names;     /* of changed keys, sorted once they are all there */
    const char *why;      /* the part is dropped; NULL: it is taken */
    uint64_t taken, changed, others;
};

struct parts {
    const struct snapshot_facts *facts;
    struct part *list;
    size_t n;
};

/* --- what has changed since --- */

static void add_part(void *arg, struct group *g)
{
    struct parts *ps = arg;
    const char *content = group_content_type(g);
    struct part *p;

    ps->list = mem_realloc(ps->list, (ps->n + 1) * sizeof(*ps->list));
    p = &ps->list[ps->n++];
    *p = (struct part){.group = group_ref(g),
                       .peers = ps->facts->peers_of(g),
                       .number = changelog_group(group_name(g)),
                       .content = hash_murmur64(content, strlen(content))};
    buf_init(&p->names, 0);
    p->alone = missed_is_alone(g, p->peers);
    if (!p->alone)
        p->asked = missed_ask(g, p->peers, ps->facts->age_ms, ASK_MS);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

static int was_changed(const struct part *p, uint64_t name)
{
    return p->names.len && bsearch(&name, p->names.data, p->names.len / sizeof(name), sizeof(name),
                                   by_number) != NULL;
}

/* Why a part cannot be taken, or NULL. */
static const char *judge(const struct snapshot_facts *f, struct part *p)
{
    int complete = !f->same_start || changelog_since(f->log, p->number, f->since_ms, &p->names);
    unsigned witnesses = p->asked ? missed_wait(p->asked, &p->names) : 0;

    p->asked = NULL;
    if (p->names.len)
        qsort(p->names.data, p->names.len / sizeof(uint64_t), sizeof(uint64_t), by_number);
    if (p->names.failed)
        return "there is no memory for its changes";
    if (!complete)
        return "this node has changed more keys since than it remembers";
    if (!p->alone && !witnesses)
        return "no peer knows all that was changed since";
    return was_changed(p, p->number) ? "it was flushed since" : NULL;
}

/* --- items --- */

static struct part *find(struct parts *ps, const struct snapshot_entry *e)
{
    size_t i;

    for (i = 0; i < ps->n; i++) {
        const char *name = group_name(ps->list[i].group);

        if (strlen(name) == e->block->name_len && memcmp(name, e->group, e->block->name_len) == 0)
            return &ps->list[i];
    }
    return NULL;
}

/* A block tells more of its group. */
static void judge_block(struct part *p, const struct snapshot_block *b)
{
    if (p->why)
        return;
    if (b->content != p->content)
        p->why = "its values have another content type now";
    else if (b->shared && p->alone)
        p->why = "other nodes had it, and now there are none to ask";
}

static int is_ours(const struct part *p, const struct snapshot_entry *e)
{
    return p->alone || peers_is_ours(p->peers, e->key, e->record.key_len);
}

/* The item as it is now, or NULL: it has expired, or there is no memory. */
static struct item *make_item(const struct snapshot_entry *e, uint64_t age_ms)
{
    const struct snapshot_record *r = &e->record;
    const struct key_ref k = group_key(e->key, r->key_len);
    int64_t expires_ms = 0;
    struct item *it;

    if (r->flags & SNAPSHOT_MORTAL) {
        expires_ms = (int64_t)clock_ms() + r->left_ms - (int64_t)age_ms;
        if (expires_ms <= 0) /* before the clock began */
            return NULL;
    }
    if (!extra_check(e->extra, e->extra_len))
        return NULL;
    it = r->flags & SNAPSHOT_NEGATIVE
             ? item_new_negative(&k, (uint64_t)expires_ms)
             : item_new_extra(&k, e->value, r->value_len, (uint64_t)expires_ms, e->extra,
                              e->extra_len);
    if (it)
        item_set_age(it, r->age_s + age_ms / 1000);
    return it;
}

static void take(struct part *p, const struct snapshot_entry *e, uint64_t age_ms)
{
    struct item *it;

    if (was_changed(p, changelog_name(p->number, e->key, e->record.key_len))) {
        p->changed++;
        return;
    }
    it = is_ours(p, e) ? make_item(e, age_ms) : NULL;
    if (it && group_restore(p->group, it))
        p->taken++;
    else
        p->others++;
}

/* Returns whether all was read. */
static int read_items(struct snapshot_reader *r, struct parts *ps, struct error *e)
{
    struct snapshot_entry entry;
    uint64_t read = 0;
    int got;

    while ((got = snapshot_read_next(r, &entry, e)) > 0) {
        struct part *p = find(ps, &entry);

        if (p)
            judge_block(p, entry.block);
        if (p && !p->why)
            take(p, &entry, ps->facts->age_ms);
        read += AN_ITEM + entry.record.value_len;
        if (read < LOOK_AT_CLOCK)
            continue;
        read = 0;
        if (clock_real_ms() > ps->facts->until_ms) {
            error_set(e, ERR_TIMEOUT, "there was no time for more");
            return 0;
        }
    }
    return got == 0;
}

/* --- all --- */

static void log_part(const struct part *p)
{
    if (p->why)
        log_warn("snapshot", "a group is not read", "group=%s why=\"%s\"", group_name(p->group),
                 p->why);
    else
        log_info("snapshot", "read", "group=%s items=%llu changed=%llu others=%llu",
                 group_name(p->group), (unsigned long long)p->taken, (unsigned long long)p->changed,
                 (unsigned long long)p->others);
}

static int is_of_dialect(struct snapshot_reader *r, const char *dialect)
{
    return snapshot_read_head(r)->dialect == hash_murmur64(dialect, strlen(dialect));
}

void snapshot_parts_read(struct snapshot_reader *r, struct groups *groups,
                         const struct snapshot_facts *f)
{
    struct parts ps = {f, NULL, 0};
    struct error e;
    size_t i;

    if (!is_of_dialect(r, f->dialect)) {
        log_warn("snapshot", "not read", "error=\"it is of another dialect\"");
        return;
    }
    groups_each(groups, add_part, &ps);
    for (i = 0; i < ps.n; i++)
        ps.list[i].why = judge(f, &ps.list[i]);
    if (!read_items(r, &ps, &e))
        log_warn("snapshot", "not all of it was read", "error=\"%s\"", e.msg);
    for (i = 0; i < ps.n; i++) {
        log_part(&ps.list[i]);
        buf_deinit(&ps.list[i].names);
        group_unref(ps.list[i].group);
    }
    mem_free(ps.list);
}
