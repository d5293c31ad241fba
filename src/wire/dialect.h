/* SPDX-License-Identifier: MIT */
/* dialect.h - how the members of the groupcache family differ on the wire: rings, escaping,
 * methods, status codes. All that differs is in one table, dialect_facts().
 *
 * A cluster speaks one dialect. The messages themselves are in getresponse.h, setrequest.h,
 * getrequest.h and removekeys.h, their times in expire.h. Pure functions, any thread. */
#ifndef DIALECT_H
#define DIALECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

enum dialect {
    DIALECT_GOLANG,        /* golang/groupcache, the original */
    DIALECT_MAILGUN,       /* mailgun/groupcache v2.5.0 and later */
    DIALECT_GROUPCACHE_GO, /* groupcache/groupcache-go v3.4.0 and later */
    DIALECT_MODERNPROGRAM, /* modernprogram/groupcache v2.7.22 and v2.7.23 */
    DIALECT_COUNT
};

/* Headers of our own nodes, for what the dialect cannot say; Go nodes ignore them. */
#define HEADER_FROM "X-Groupcache-From" /* request: the asking node's own URL */
#define HEADER_CODE "X-Groupcache-Code" /* error answer: the code's name */
#define HEADER_TTL                                                                                 \
    "X-Groupcache-Ttl" /* answer: milliseconds the value has left, or for which                    \
                        * NOTFOUND may be kept */
#define HEADER_NODE                                                                                \
    "X-Groupcache-Node" /* answer to a request with HEADER_FROM, and to a batch: it                \
                         * is one of ours, and takes batches (batch.h) */
#define HEADER_KEY                                                                                 \
    "X-Groupcache-Key" /* the same answers: dialect_request_id() of what they answer, in hex */
#define HEADER_VIEW                                                                                \
    "X-Groupcache-View" /* request: what the asking node's ring is made of, outline_put(); answer: \
                         * that of this node, if it differs */
#define HEADER_STALE "X-Groupcache-Stale" /* answer: the value is past its ttl */

#define HEADER_SINCE                                                                               \
    "X-Groupcache-Since" /* answer to a change of our nodes: milliseconds since the list of peers  \
                          * has changed there */

#define HEADER_STAND_IN                                                                            \
    "X-Groupcache-Stand-In" /* request: by the asking node's ring, another node is the owner of    \
                             * these keys; answer to a change of our nodes: milliseconds since the \
                             * last such request; absent: there was none */

#define HEADER_CLOCK                                                                               \
    "X-Groupcache-Clock" /* answer to a change of our nodes: until_clock(); with an error: the set \
                          * came too late, or said no time */

enum { DIALECT_VIEW_BYTES = 80 /* room for the value of HEADER_VIEW, with its NUL */ };

#define DIALECT_CONTENT_TYPE "application/x-protobuf"

/* What a request asks for. Only the answer to a GET has a body. The others were done if the status
 * is 200. No request is passed on to a third node. */
enum dialect_verb {
    DIALECT_GET,
    DIALECT_SET,         /* PUT, a SetRequest: keep this value */
    DIALECT_REMOVE,      /* DELETE: drop this key */
    DIALECT_REMOVE_KEYS, /* POST, a RemoveKeysRequest: drop these keys */
    DIALECT_VERBS
};

struct dialect_facts {
    const char *name;

    /* The ring. */
    enum hash_kind hash; /* when the setting names none */
    unsigned
        hashes; /* 1 << enum hash_kind: the hashes that a user of the Go library may have chosen */
    int md5_points; /* points are named by an MD5 */
    int bare_peers; /* peers are "host:port" on the ring, without the scheme */

    /* Requests. */
    int plus_is_space;     /* a raw '+' in a path is a space */
    unsigned verbs;        /* 1 << enum dialect_verb */
    int other_methods_get; /* a method without a verb is served as GET; else 405 */
    int get_may_have_body; /* a GetRequest */

    /* Answers to GET. */
    int not_found_status;  /* the getter says that there is no such value */
    int failed_status;     /* the getter failed: the asking node must not run its own */
    int no_group_status;   /* says nothing about the key: the asking node loads it itself */
    int minute_qps;        /* a GetResponse may have it */
    unsigned expire_field; /* of a GetResponse, always present; 0: the dialect has none */
    int refuses_expired;   /* an expired value is treated as no answer */
};

const struct dialect_facts *dialect_facts(enum dialect d);
const char *dialect_name(enum dialect d);

/* -1: no such name. */
int dialect_from_name(const char *name);

/* The name of a peer on the ring: its URL, or a part of it. */
const char *dialect_ring_name(enum dialect d, const char *url);

/* --- requests --- */

/* A group and a key, decoded. Both borrow the scratch memory they were decoded into. */
struct dialect_target {
    const char *group, *key;
    size_t group_len, key_len;
};

enum dialect_parse {
    DIALECT_OK,
    DIALECT_NO_KEY,    /* there is no key: all of it is the group */
    DIALECT_BAD_ESCAPE /* a percent sign without two hex digits, or a raw control byte */
};

/* Splits the rest of a request target, behind the base path and without the query, at its first
 * slash. Decodes each part once. scratch has room for n bytes. */
enum dialect_parse dialect_parse(enum dialect d, const char *path, size_t n, char *scratch,
                                 struct dialect_target *out);

/* Appends "group/key", escaped so that every server of the family decodes the same bytes. */
enum err dialect_put_target(struct buf *out, const char *group, size_t group_len, const void *key,
                            size_t key_len);

/* Appends the group alone, as a batch is sent to it (batch.h). */
enum err dialect_put_group(struct buf *out, const char *group, size_t group_len);

/* The target of a DIALECT_REMOVE_KEYS, and whether a POST has it. A POST to any other target is
 * answered with 404 and DIALECT_POST_TEXT. */
enum err dialect_put_remove_keys_target(struct buf *out, const char *group, size_t group_len);
int dialect_is_remove_keys(const struct dialect_target *t);
#define DIALECT_POST_TEXT "invalid path for POST method"

/* A hash of the request: of the group, and of the key or the whole body of a batch. It is the same
 * on all nodes, so the asking node notices an answer to another request. SipHash-1-3, with the
 * group's FNV-1a as the key. */
uint64_t dialect_request_id(const char *group, size_t group_len, const void *asked, size_t n);

/* Writes an id as HEADER_KEY has it: 16 hex digits, and a NUL. Each forwarded request has one, and
 * printf is ten times slower. */
enum { DIALECT_ID_BYTES = 17 };
void dialect_id_text(uint64_t request_id, char out[DIALECT_ID_BYTES]);

/* Appends it as the header line that the answer must have, with its NUL. */
enum err dialect_put_echo(struct buf *out, uint64_t request_id);

/* The verb of an HTTP method; -1: the answer is 405 and DIALECT_METHODS_TEXT. */
int dialect_verb(enum dialect d, const char *method);
#define DIALECT_METHODS_TEXT "Only GET, DELETE, PUT, POST are supported"

/* The method of a verb; NULL when the dialect has no such verb. */
const char *dialect_method(enum dialect d, enum dialect_verb verb);

/* --- answers --- */

/* The status of an error of a load, for a peer. Errors that say nothing about the key (overload, a
 * deadline, a stop) have a status at which Go's callers load the key themselves. */
int dialect_status(enum dialect d, enum err code);

/* What the owner's answer to a GET means here. */
enum dialect_word {
    DIALECT_VALUE,     /* a GetResponse */
    DIALECT_LAST_WORD, /* an error, for all the waiters: no getter runs a second time */
    DIALECT_UNUSABLE   /* treated as no answer: our getter loads the key */
};

/* `code_name` is the value of HEADER_CODE, NULL without it; text, n: the body. *code is set with
 * DIALECT_LAST_WORD. */
enum dialect_word dialect_word(enum dialect d, int status, const char *code_name, const char *text,
                               size_t n, enum err *code);

#endif
