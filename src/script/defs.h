/* SPDX-License-Identifier: MIT */
/* defs.h - the groups that a script defined in one VM.
 *
 * Every VM of a node runs the same script and must come to the same groups; defs_compare() says
 * where they differ. One thread: the VM's. */
#ifndef DEFS_H
#define DEFS_H

#include <stddef.h>

#include "base/err.h"
#include "cache/group.h"

struct def {
    char *name;  /* owned, like all strings here */
    char *where; /* "node.lua:12" */
    char *content_type;
    char *pass_headers; /* as group_pass_headers() says */
    char *peers;        /* as group_peers.h says; NULL: the node's */
    struct group_opts opts;
    int getter_ref; /* the getter, in the registry of the VM */
    int takes_ctx;  /* it may look at its second argument */
};

struct defs;

struct defs *defs_new(void);
void defs_free(struct defs *ds); /* NULL is fine */

/* Copies d. INVAL when a group of that name is there: the message names both places. */
enum err defs_add(struct defs *ds, const struct def *d, struct error *e);

size_t defs_count(const struct defs *ds);
const struct def *defs_at(const struct defs *ds, size_t i);           /* in order of definition */
const struct def *defs_find(const struct defs *ds, const char *name); /* NULL: none */

/* INVAL when b does not define just what a does: the message names the group, both places and the
 * first option that differs. */
enum err defs_compare(const struct defs *a, const struct defs *b, struct error *e);

#endif
