/* SPDX-License-Identifier: MIT */
/* settings.h - the settings of a node, from flags, environment and script, in one list.
 *
 * Each floor lists its settings in its own header; the node's own list is here. All lists together
 * are config.SETTINGS in lua/groupcache/config.lua, which has defaults and checks. A setting that
 * two floors take is in both lists. Code that only passes a setting on does not name it:
 * settings_at() tells the binding where each is kept, and a floor gets its options whole. Names of
 * times end in _ms; sizes are in bytes.
 *
 * No list has `peers`, which is a list and changes at a reload, or `log_level` and `log_format`,
 * which belong to the process. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "change/change.h"
#include "http/server.h"
#include "peer/peers.h"
#include "script/vm.h"

/* X(type, name) */
#define NODE_SETTINGS(X)                                                                           \
    X(const char *, listen)        /* "host:port" or "unix:PATH", like the next three */           \
    X(const char *, peer_listen)   /* NULL: listen */                                              \
    X(const char *, client_listen) /* NULL: listen */                                              \
    X(const char *, admin_listen)                                                                  \
    X(const char *, self)           /* this node's URL, as in every node's list; NULL when there   \
                                     * are no peers: http:// and where it listens */               \
    X(const char *, loop)           /* an event loop for the worker VMs, as in worker.h */         \
    X(const char *, access_log)     /* a path; "-": stdout; NULL: no log */                        \
    X(const char *, trace_endpoint) /* a collector's URL; NULL: spans are not kept */              \
    X(uint64_t, trace_sample)       /* of loads without a trace that begin one, in thousandths */  \
    X(const char *, tls_cert)       /* paths of PEM files, as is the next; NULL: no TLS */         \
    X(const char *, tls_key)                                                                       \
    X(const char *, tls_ca) /* the same; NULL: the system's for peers, none for clients */         \
    X(const char *, tls_client_auth)  /* as in http/tls.h */                                       \
    X(const char *, tls_faces)        /* that speak TLS: "all", "peers" or "clients" */            \
    X(const char *, peer_secret)      /* as secrets_read() takes them; NULL: none */               \
    X(const char *, peer_secret_file) /* the same */                                               \
    X(const char *, snapshot_path)    /* NULL: no snapshot */                                      \
    X(uint64_t, snapshot_every_ms)    /* 0: only at the end */                                     \
    X(uint64_t, snapshot_max_age_ms)  /* an older one is not read */                               \
    X(uint64_t, workers)              /* Lua VMs that take loads */                                \
    X(uint64_t, http_threads)                                                                      \
    X(uint64_t, drain_delay_ms)   /* how long node_stop() is not ready before it refuses           \
                                   * connections */                                                \
    X(uint64_t, drain_timeout_ms) /* how long it then lets requests end */                         \
    X(uint64_t, stuck_timeout_ms) /* how long all workers are stuck before the process ends; 0:    \
                                   * it never does */

/* The floors' options also have fields that are not settings; the code that starts a floor sets
 * them. */
struct settings {
#define X(type, name) type name;
    NODE_SETTINGS(X)
#undef X
    struct peers_opts peers;
    struct changes_opts changes;
    struct server_opts server;
    struct vm_opts vm;
};

enum setting_kind {
    SETTING_NUMBER,  /* uint64_t */
    SETTING_TEXT,    /* const char *; may be NULL */
    SETTING_FLAG,    /* int */
    SETTING_DIALECT, /* enum dialect, by its name */
    SETTING_HASH     /* enum hash_kind, by its name */
};

struct setting {
    const char *name;
    enum setting_kind kind;
    size_t at; /* in struct settings */
};

/* All settings of all lists; NULL at the end. */
const struct setting *settings_at(size_t i);

/* Copies the texts, too. Other pointers of the floors' options are shared. */
void settings_copy(struct settings *to, const struct settings *from);

/* Frees what settings_copy() made. */
void settings_deinit(struct settings *s);

#endif
