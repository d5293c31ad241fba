/* SPDX-License-Identifier: MIT */
/* defs.h - the groups, background functions and constants that a script defined in one VM.
 *
 * Every VM of a node runs the same script and must come to the same groups; defs_compare() says
 * where they differ. Only the VM of the control worker keeps background functions. One thread: the
 * VM's. */
#ifndef DEFS_H
#define DEFS_H

#include <stddef.h>

#include "base/err.h"
#include "cache/group.h"

struct constants;

struct def {
    char *name;  /* owned, like all strings here */
    char *where; /* "node.lua:12" */
    char *content_type;
    char *pass_headers; /* as group_pass_headers() says */
    char *writers;      /* as group_writers() says; not compared, since it may come from a file */
    char *keying;       /* as group_keying() says */
    char *peers;        /* as group_peers.h says; NULL: the node's */
    struct group_opts opts;
    int getter_ref; /* the getter, in the registry of the VM */
    int takes_ctx;  /* it may look at its second argument */
    int key_ref;    /* the function that makes keys of requests, in the same registry */
    int key_args;   /* how many arguments it takes; 0: there is none */
};

/* A function that runs beside the getters (background.h). */
struct def_background {
    char *name;  /* owned, like all strings here; NULL before defs_add_background(): `where` */
    char *where; /* "node.lua:12" */
    uint64_t every_ms;         /* from the end of a call to the next; 0: it is called once */
    uint64_t ready_timeout_ms; /* how long the node waits for it at most before it is ready; 0: the
                                  node does not wait */
    int farewell; /* 1: it is called when the node leaves its cluster, and not at the start */
    int fn_ref;   /* in the registry of the VM */
};

struct defs;

struct defs *defs_new(void);
void defs_free(struct defs *ds); /* NULL is fine */

/* Copies d. INVAL: there is a group of that name. The message names both places. */
enum err defs_add(struct defs *ds, const struct def *d, struct error *e);

size_t defs_count(const struct defs *ds);
int defs_make_keys(const struct defs *ds); /* whether any group has a key function */
const struct def *defs_at(const struct defs *ds, size_t i);           /* in order of definition */
const struct def *defs_find(const struct defs *ds, const char *name); /* or NULL */

/* Copies d. A function without a name is named by its place, with a number if that name is taken.
 * INVAL: the name is taken. The message names both places. */
enum err defs_add_background(struct defs *ds, const struct def_background *d, struct error *e);

size_t defs_count_backgrounds(const struct defs *ds);
const struct def_background *defs_background_at(const struct defs *ds, size_t i);

/* Makes the constants of `from` those of ds, too, whose script has not run yet. */
void defs_share_constants(struct defs *ds, const struct defs *from);

/* The constants of the script, and this VM's hint for constants_find(). */
struct constants *defs_constants(struct defs *ds, size_t **hint);

/* INVAL unless a and b define the same groups: the message names the group, both places and the
 * first option that differs. */
enum err defs_compare(const struct defs *a, const struct defs *b, struct error *e);

#endif
