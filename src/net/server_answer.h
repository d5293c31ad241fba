/* SPDX-License-Identifier: MIT */
/* server_answer.h - what the server writes back: values, errors, texts.
 *
 * HTTP threads only, for the connection that is being handled. */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

#include <stddef.h>

#include "base/err.h"
#include "cache/flight.h"
#include "wire/dialect.h"

struct MHD_Connection;
struct group;

/* To whom one answers, and how: peers get protobuf and Go's plain texts, clients get the raw value
 * and JSON errors. */
struct answer_to {
    struct MHD_Connection *connection;
    enum dialect dialect;
    int peer;  /* 1: on base_path */
    int close; /* 1: this answer ends its connection */
};

/* Every function returns what MHD's access handler returns (an int as wide as its enum). */

/* A value. Takes the reference to r->item, which is dropped when the last byte is out. */
int answer_value(const struct answer_to *to, struct group *g, const struct result *r);

/* An error of a load, or of the request: the status follows from the code. */
int answer_error(const struct answer_to *to, const struct error *e);

/* A given status, with e as the text. */
int answer_status(const struct answer_to *to, int status, const struct error *e);

/* A request target that cannot be decoded, to a peer: as Go's net/http answers before any handler
 * sees the request. */
int answer_unparsed(const struct answer_to *to);

/* Bytes of a type. They are copied. */
int answer_bytes(const struct answer_to *to, int status, const char *type, const void *bytes,
                 size_t n);

#endif
