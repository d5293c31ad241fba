/* SPDX-License-Identifier: MIT */
/* answer.h - the server's answers: errors, texts, bytes. Values: answer_value.h.
 *
 * HTTP threads only, for the connection that is being handled. */
#ifndef ANSWER_H
#define ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "cache/flight.h"
#include "wire/dialect.h"

struct auth_claim;
struct buf;
struct item;
struct sendings;
struct MHD_Connection;
struct MHD_Response;

/* The receiver of an answer: peers get protobuf and Go's plain texts, clients get the raw value and
 * JSON errors. */
struct answer_to {
    struct MHD_Connection *connection;
    struct sendings *sendings; /* the server's */
    enum dialect dialect;
    int peer; /* 1: on base_path */
    int ours; /* 1: to one of our own nodes, or a client that acts as a node: has HEADER_NODE */
    const struct auth_claim *claim; /* of its signature, borrowed; NULL: it is not signed */
    int proven;                     /* 1: the sender has proven to be a node (doors.h) */
    uint64_t id;                    /* the value of HEADER_KEY to one of our own nodes; 0: none */
    char view[DIALECT_VIEW_BYTES];  /* the value of HEADER_VIEW; empty: none */
    uint64_t clock;                 /* the value of HEADER_CLOCK; 0: none */
    int head;                       /* 1: to a HEAD */
    int close;                      /* 1: this answer ends its connection */
    int conditional;                /* 1: the request may ask for less than the whole value */
};

/* Every function returns what MHD's access handler returns (an int as wide as its enum). */

/* An error that is not a get's end: the status follows from the code. */
int answer_error(const struct answer_to *to, const struct error *e);

/* A get that ended without a value. */
int answer_get_error(const struct answer_to *to, const struct result *r);

/* A given status, with e as the text. */
int answer_status(const struct answer_to *to, int status, const struct error *e);

/* 405 to a client; `allow` lists what the path takes. */
int answer_method(const struct answer_to *to, const char *method, const char *allow);

/* To a peer, for a target that cannot be decoded: the answer that Go's net/http gives before any
 * handler sees the request. */
int answer_unparsed(const struct answer_to *to);

/* Done, without a body: 204 to a client, an empty 200 to a peer. */
int answer_done(const struct answer_to *to);

/* Bytes of a type. They are copied. */
int answer_bytes(const struct answer_to *to, int status, const char *type, const void *bytes,
                 size_t n);

/* The same without a copy: takes the buf's memory. If the buf has failed, answers NOMEM or TOOBIG;
 * if there is no room beside the answers that are being sent, BUSY. */
int answer_buf(const struct answer_to *to, int status, const char *type, struct buf *b);

/* A response of the item's bytes, or of memory that mem_free() frees. Takes the reference or the
 * memory. If `sent` is 0, they are not sent, as with a HEAD. NULL and e: NOMEM; BUSY as above. */
struct MHD_Response *answer_response(const struct answer_to *to, struct item *it, char *owned,
                                     const void *bytes, size_t n, int sent, struct error *e);

/* Sends r and drops its reference. If r is NULL, for lack of memory, MHD_NO ends the connection. */
int answer_queue(const struct answer_to *to, int status, struct MHD_Response *r);

/* Adds the headers that depend on the receiver; answer_queue() calls it. */
void answer_finish(const struct answer_to *to, struct MHD_Response *r);

#endif
