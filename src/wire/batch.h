/* SPDX-License-Identifier: MIT */
/* batch.h - the messages that only our own nodes send: a POST of a BatchRequest to
 * <base_path><group>, without a key. No server of the Go family takes that for a request about a
 * key. So a server that is not ours refuses it, and nothing has happened.
 *
 *   message BatchRequest {
 *     optional uint32 op = 1;        // enum batch_op
 *     repeated bytes key = 2;
 *     optional bytes value = 3;      // set: of the one key; hand: frames
 *     optional uint64 ttl_ms = 4;    // set: absent for the group's own ttl
 *     optional bytes extra = 5;      // set: what the value has beside its bytes
 *     optional bytes traces = 6;     // get: a line for each key, if any has a trace: nothing, or
 *                                    // its traceparent, perhaps a space and its tracestate
 *     optional uint64 until = 7;     // set: it is not carried out after that time (until.h); 0:
 * the
 *                                    // sender knows no time yet, and wants to know the clock
 *   }
 *
 * BATCH_RECENT asks which keys of the group were changed in the last ttl_ms; since.h has its
 * answer. The answer to a get is frames, one for each key, in the order in which the values arrive.
 * A frame is a varint length and a BatchAnswer. All other answers have an empty body.
 *
 *   message BatchAnswer {
 *     optional uint32 index = 1;     // of the key in the request
 *     optional bytes value = 2;      // or an error:
 *     optional string code = 3;      // err_name()
 *     optional string message = 4;
 *     optional uint64 ttl_ms = 5;    // of the value, or how long NOTFOUND may be kept; absent: for
 *                                    // good, or not at all
 *     optional uint64 age_s = 6;     // of the value
 *     optional bool stale = 7;       // the value is past its ttl
 *     optional double minute_qps = 8; // the owner's gets of the key; absent: few, or not measured
 *     optional bytes extra = 9;      // what the value has beside its bytes
 *   }
 *
 * Unknown fields are skipped: a node that knows no extras takes the bytes for all of the value.
 * Extras (cache/extra.h) are not looked into here.
 *
 * protobuf-c reads and writes requests, behind the walk of pbc.h. Answers are read and written by
 * hand. They are streamed: a frame is read as soon as it is whole, and a value is sent from its
 * item, without a copy. Both are hot: a value has one frame. A request of 100 keys of 12 bytes, a
 * key, and a frame with a value of 100 bytes, instructions and ns:
 *
 *                      here        protobuf-c alone
 *   request, read     434   57      518   61
 *   request, write    112    9       95    9
 *   answer, read      524   59     1515  179
 *   answer, write     660   82      587   73
 *
 * The figures are those of bench/guard/messages.c, built by gcc 12.2 with -O2: counted by callgrind
 * as `make guard` does, and the median time of five runs of 5 million. `make guard` watches those
 * of this file.
 *
 * Pure functions, any thread. */
#ifndef BATCH_H
#define BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/key.h"

struct traceparent;

enum batch_op {
    BATCH_GET,
    BATCH_REMOVE,
    BATCH_FLUSH,
    BATCH_SET,
    BATCH_RECENT,
    BATCH_HELD, /* a get of what the node holds: it loads nothing, and answers NOTFOUND instead */
    BATCH_HAND, /* values to be kept, if they are not outdated: `value` has a frame for each key, as
                 * in the answer to a get */
    BATCH_OPS
};

enum {
    BATCH_MAX_KEYS = 10000, /* of one request */
    BATCH_EXTRA_MAX = 8192, /* bytes of extras, EXTRA_MAX */
    BATCH_FRAME_OVERHEAD =
        BATCH_EXTRA_MAX + 64 /* bytes of a frame around its value or message, at most */
};

struct batch_request {
    enum batch_op op;
    void *memory; /* what batch_parse() has allocated: keys and value point into it */
    struct key *keys;
    size_t n_keys;
    const char *value; /* NULL when there is none */
    size_t value_len;
    int has_ttl;
    uint64_t ttl_ms;
    const char *extra;  /* of a set */
    size_t extra_len;   /* 0: none */
    const char *traces; /* NULL when there are none */
    size_t traces_len;
    int has_until; /* of a set; older nodes say none */
    uint64_t until;
};

/* Appends the line of a key to a request's traces; t is NULL if it has no trace. */
enum err batch_put_trace(struct buf *traces, const struct traceparent *t);

/* Reads the next line of the traces, from *at on. 0: the key has no trace, or there are no more
 * lines. */
int batch_next_trace(const char *traces, size_t n, size_t *at, struct traceparent *out);

/* Appends a request. Returns out->failed. */
enum err batch_put(struct buf *out, const struct batch_request *r);

/* Reads a request into *out, which borrows nothing; the caller frees it with
 * batch_request_deinit(). INVAL: malformed, an unknown op, over BATCH_MAX_KEYS, or without a field
 * that the op needs; NOMEM. After an error there is nothing to free. */
enum err batch_parse(const void *bytes, size_t n, struct batch_request *out, struct error *e);
void batch_request_deinit(struct batch_request *r);

struct batch_answer {
    uint64_t index;
    const char *value; /* borrowed from the frame; NULL: code says why */
    size_t value_len;
    enum err code; /* ERR_OK with a value */
    const char *message;
    size_t message_len;
    int has_ttl;
    uint64_t ttl_ms, age_s;
    int stale;
    double minute_qps; /* 0 when absent */
    const char *extra; /* as the value */
    size_t extra_len;  /* 0: none */
};

/* Appends a frame without its value, which the caller sends next (or the whole frame, when there is
 * no value). So the bytes of an item need not be copied twice. */
enum err batch_put_answer(struct buf *out, const struct batch_answer *a);

/* Reads the frame at the start of n bytes. Returns its length; 0 when it is not whole yet; -1 and e
 * (PEER) when it is malformed, or longer than max bytes. */
long batch_get_answer(const void *bytes, size_t n, size_t max, struct batch_answer *out,
                      struct error *e);

#endif
