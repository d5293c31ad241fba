/* SPDX-License-Identifier: MIT */
/* tls.h - TLS of servers, with GnuTLS inside libmicrohttpd.
 *
 * A struct tls has the credentials of a node's servers: certificate, key, CA, and the key of
 * session tickets, which all threads share. A reload replaces them for later connections; a
 * connection keeps the credentials it began with. A resumed session is not verified again, so new
 * credentials always come with a new ticket key.
 *
 * libmicrohttpd 0.9.75 sends no alerts, and asks to be run again without a pause while a handshake
 * waits for its client. So this file counts the bytes that move, verifies certificates, sends the
 * alerts, and ends handshakes after ten seconds. */
#ifndef TLS_H
#define TLS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/list.h"

struct credentials;
struct gnutls_session_int;
struct identity;
struct MHD_Connection;
struct tls;

/* "NORMAL" has TLS 1.0 and 1.1, and ciphers without authentication of the data. The client chooses
 * the order: with ours, GnuTLS asks most clients for a second hello, which costs a round trip. */
#define TLS_PRIORITIES                                                                             \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:"            \
    "+CHACHA20-POLY1305:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA"

/* Of which requests a certificate of the CA is asked. */
enum tls_auth {
    TLS_AUTH_NONE,
    TLS_AUTH_PEERS, /* below base_path */
    TLS_AUTH_ALL    /* of every connection */
};

/* "none", "peers" or "all"; -1: another name. */
int tls_auth_from_name(const char *name);

/* --- the credentials; the node's thread --- */

/* The identity has a certificate and a key, and for an auth other than NONE a CA. NULL and e,
 * INVAL: one of its texts cannot be used, or they do not fit together. */
struct tls *tls_new(struct identity *id, enum tls_auth auth, struct error *e);

/* No server uses it any more. NULL is fine. */
void tls_free(struct tls *t);

/* Replaces the credentials; takes the reference. */
void tls_replace(struct tls *t, struct credentials *c);

/* PEM texts that libmicrohttpd insists on at its start. */
const char *tls_cert(const struct tls *t);
const char *tls_key(const struct tls *t);

/* Any thread. */
enum tls_auth tls_auth(const struct tls *t);

/* --- a connection; its thread --- */

/* Embedded in the struct of a connection. */
struct tls_conn {
    struct tls *tls; /* NULL: the connection has no TLS, and nothing below counts */
    struct gnutls_session_int *session;
    struct MHD_Connection *connection;
    struct credentials *credentials; /* a reference */
    struct list shaking;             /* while the handshake is under way */
    uint64_t due_ms;
    int fd;
    int heard;   /* bytes have arrived */
    int more;    /* the next bytes are the head of an answer with a body */
    int alerted; /* the client was told of a failure */
};

/* A connection has been taken, and its handshake has not begun. */
void tls_begin(struct tls *t, struct tls_conn *c, struct MHD_Connection *connection);

/* The connection has ended, and its session is freed. */
void tls_end(struct tls_conn *c);

/* Whether the client has shown a certificate of the CA. */
int tls_is_verified(const struct tls_conn *c);

/* 0: the connection has no TLS. Else sends bytes of one record at once, while libmicrohttpd has
 * nothing to send; *sent gets n, or 0 if they did not go out whole: then it must end. */
int tls_write(struct MHD_Connection *c, const void *bytes, size_t n, ssize_t *sent);

/* Whether the other side of a socket with TLS has closed it. By unread bytes alone nobody can tell:
 * they may be the record that announces the end. */
int tls_is_closed(int fd);

/* libmicrohttpd has logged this text, perhaps about a handshake that failed. */
void tls_heard(const char *log_text);

/* --- the loop of a thread --- */

/* A callback of libmicrohttpd was called for a connection with TLS. */
void tls_asked(struct tls_conn *c);

/* In that callback, on any thread of a server: the answer that is queued has a body, all of which
 * is there. libmicrohttpd sends head and body by two calls; they then leave as one packet. */
void tls_expect_body(void);

/* Whether libmicrohttpd need not be run again before its sockets have news, whatever it says: only
 * handshakes are under way that wait for their clients. mail: there were messages in the last turn.
 */
int tls_stands_still(int mail);

/* To be called at the latest at tls_due_ms(), UINT64_MAX for never: ends handshakes that have taken
 * too long. */
void tls_sweep(uint64_t now_ms);
uint64_t tls_due_ms(void);

/* The thread ends. */
void tls_deinit(void);

#endif
