/* SPDX-License-Identifier: MIT */
/* err.h - the one closed set of error codes, and the error value that carries one.
 *
 * A function that can fail returns `enum err` (0 is ERR_OK) or NULL, and takes `struct error *e`
 * last. The error lives on the caller's stack: nothing is allocated, nothing is global.
 *
 * A new code has three places: here, docs/api.md, and the table of statuses in http/answer.c. */
#ifndef ERR_H
#define ERR_H

#include <stdarg.h>

enum err {
    ERR_OK = 0,
    ERR_INVAL,    /* the caller's argument or a request is malformed */
    ERR_NOMEM,    /* memory ran out, ours or the script's */
    ERR_NOTFOUND, /* the getter says that there is no such value */
    ERR_GETTER,   /* the getter failed */
    ERR_PEER,     /* another node could not be used */
    ERR_TIMEOUT,  /* a deadline passed */
    ERR_TOOBIG,   /* a value or an answer is over its limit */
    ERR_CYCLE,    /* a getter waits on its own result */
    ERR_BUSY,     /* a limit on work in progress is reached; try again */
    ERR_CLOSED,   /* the node is stopping */
    ERR_COUNT
};

enum { ERROR_TEXT = 240 };

struct error {
    enum err code;
    char msg[ERROR_TEXT];
};

/* The code's public name, such as "TIMEOUT"; never NULL. */
const char *err_name(enum err code);

/* The code of that name, ERR_COUNT when there is none. */
enum err err_from_name(const char *name);

/* 1: a getter may fail with this code, and then the load ends with it. To ask another node, or to
 * load once more, would not help. */
int err_is_final(enum err code);

/* Fills e (which may be NULL) with the code and a printf text, cut to fit. Returns the code. */
enum err error_set(struct error *e, enum err code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
