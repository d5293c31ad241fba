/* SPDX-License-Identifier: MIT */
/* outcome.h - what the results of a getter mean: the one judge, for nodes and for groups alone.
 *
 * A getter returns a value, a table with a value, nil, or nil and an error; or it throws. The
 * chapter Getter of docs/api.md has the table of outcomes. No text made here has the address of an
 * object.
 *
 * Nothing here raises, but for outcome_speak(). */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "cache/extra.h"

struct buf;
struct given;
struct lua_State;

struct outcome {
    struct error err;  /* why there is no value; ERR_OK: there is one, and no text */
    const char *value; /* on the stack that was judged */
    size_t n;
    struct buf *own; /* NULL, or the buffer of the value, of bytes.h, on that stack */
    int same;        /* 1: the value is the old one, value is NULL */
    int has_ttl;     /* of a value, or of NOTFOUND */
    double ttl_ms;   /* 0 or less, or nan: the value is not kept */
    uint64_t age_s;
    struct extra extra; /* of the value */
    int object; /* the index there of an error that is a table and may have a text; else 0 */
};

/* The results are on the stack from `first` on. Cuts the stack to three of them. */
void outcome_returned(struct lua_State *L, int first, const char *group, struct outcome *out);

/* What a getter returns in place of the old value: a light userdata. Set once. */
void *outcome_same(void);
/* The value of an outcome that has one, for the engine; borrows both. */
void outcome_give(const struct outcome *o, struct given *out);

/* The error value is at that index, which is positive. */
void outcome_thrown(struct lua_State *L, int index, struct outcome *out);

/* Cuts off the place that Lua puts in front of an error's text, "/srv/node.lua:12: ". The log has
 * it; clients need not know it. */
void outcome_hide_place(struct outcome *out);

/* The argument of outcome_speak(), which runs an object's __tostring. That is code of the script,
 * so the call must be protected. */
struct outcome_speech {
    struct outcome *outcome; /* gets the text, if there is one */
    struct lua_State *from;  /* the stack that was judged; NULL: the object is argument 2 */
};

/* A lua_CFunction; argument 1 is a light userdata, the speech. Only for an outcome with an object.
 */
int outcome_speak(struct lua_State *L);

#endif
