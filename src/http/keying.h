/* SPDX-License-Identifier: MIT */
/* keying.h - what a client's query and headers add to its key, by the rules of a group.
 *
 * Rules are lines, as lua/groupcache/keying.lua writes them:
 *
 *   sort                    the pairs of the query are sorted by their names
 *   name NAME               only pairs with this name, or one of further such lines, are kept
 *   vary HEADER             the value of the header, in one spelling
 *   vary HEADER ONE TWO     that of these values which the header likes best, the first if it likes
 * none
 *   function N              alone: a function of the script makes the key of N of these: the path,
 * the query, the headers
 *
 * A key is then PATH?QUERY#HEADER=VALUE&HEADER=VALUE; what is empty is left out, but for the part
 * behind the #, which each key of a group with `vary` has. Names and values behind it are
 * percent-encoded.
 *
 * Pure functions, any thread. */
#ifndef KEYING_H
#define KEYING_H

#include "base/buf.h"

enum { KEYING_VARY_BYTES = 512 }; /* of the names in `vary`, with commas between them */

/* Appends a question mark and the pairs that are left of the query; nothing if none are left. */
void keying_put_query(struct buf *out, const char *rules, const char *query);

/* How many arguments the function takes that makes the key; 0: there is none. */
int keying_function(const char *rules);

/* Whether any rule is about a header. */
int keying_varies(const char *rules);

/* Appends the part behind the #, with it. header() appends the request's values of that header to
 * its buf, joined by commas. */
void keying_put_vary(struct buf *out, const char *rules,
                     void (*header)(void *ctx, const char *name, struct buf *value), void *ctx);

/* The names of the headers, as the header Vary has them. */
void keying_vary_names(const char *rules, char out[KEYING_VARY_BYTES]);

#endif
