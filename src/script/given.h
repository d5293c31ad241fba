/* SPDX-License-Identifier: MIT */
/* given.h - a value with extras, as a table of a script: what a getter returns or a set is given.
 *
 *   { body =, ttl =, age =, status =, content_type =, headers = {}, tags = {},
 *     stale_while_revalidate =, stale_if_error = }
 *
 * docs/getters.md says what each is for. Any VM's thread. */
#ifndef GIVEN_H
#define GIVEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "cache/extra.h"

struct buf;
struct lua_State;

struct given_table {
    const char *body; /* borrowed from the table */
    size_t n;
    struct buf *own; /* NULL, or the buffer of the body, of bytes.h */
    int has_ttl;
    double ttl_ms;
    uint64_t age_s;
    struct extra extra;
};

/* Reads the table at that index, which is positive. INVAL or TOOBIG: e says what is wrong, and what
 * would be right. Raises nothing, runs no code of the script, allocates nothing in the VM. */
enum err given_read(struct lua_State *L, int index, struct given_table *out, struct error *e);

#endif
