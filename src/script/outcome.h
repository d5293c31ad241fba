/* SPDX-License-Identifier: MIT */
/* outcome.h - what the results of a getter mean: the one judge, for nodes and for groups alone.
 *
 * A getter returns a value, nil, or nil and an error; or it throws. The table of the chapter Getter
 * in docs/api.md is what this does. No text that is made here has the address of an object.
 *
 * Nothing here raises, but for outcome_speak(). */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stddef.h>

#include "base/err.h"

struct lua_State;

struct outcome {
    struct error err;  /* why there is no value; ERR_OK: there is one, and no text */
    const char *value; /* on the stack that was judged */
    size_t n;
    int has_ttl;   /* of a value, or of NOTFOUND */
    double ttl_ms; /* 0 or less, or nan: the value is not kept */
    int object;    /* where on that stack the error is, a table that may have a text; 0: none */
};

/* The results are on the stack from `first` on. Cuts the stack to three of them. */
void outcome_returned(struct lua_State *L, int first, const char *group, struct outcome *out);

/* The error value is at that index, which is positive. */
void outcome_thrown(struct lua_State *L, int index, struct outcome *out);

/* How an object comes to its text: its __tostring is the script's code, so this is called in
 * protected mode. */
struct outcome_speech {
    struct outcome *outcome; /* gets the text, if there is one */
    struct lua_State *from;  /* the stack that was judged; NULL: the object is argument 2 */
};

/* A lua_CFunction; argument 1 is a light userdata, the speech. Only for an outcome with an object.
 */
int outcome_speak(struct lua_State *L);

#endif
