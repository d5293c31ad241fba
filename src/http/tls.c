/* SPDX-License-Identifier: MIT */
#include "http/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/identity.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/seldom.h"
#include "http/credentials.h"

enum {
    HANDSHAKE_MS = 10 * 1000,
    LINGER_MS = 1000, /* for a client that is told why it is refused */
    MOST_READS = 16,  /* of 4 KB each, of what such a client still sends */
    TLS_1_2 = 0x0303  /* the version in a hello of TLS 1.2, and of TLS 1.3 */
};

struct tls {
    struct identity *first; /* a reference: libmicrohttpd reads its texts at the start */
    enum tls_auth auth;     /* set once */
    pthread_mutex_t mu;
    struct credentials *credentials; /* guarded by mu */
    struct seldom failures;
};

/* The connections of a thread whose handshake is under way. */
struct shaking {
    struct list all; /* oldest first; not made while next is NULL */
    unsigned moved, seen;
    struct tls_conn *asking; /* of the last callback; NULL: none, or it has ended */
    struct tls_conn *last;   /* the one that was last called about; NULL: none, or it has ended */
};

static _Thread_local struct shaking mine;

/* --- the credentials --- */

int tls_auth_from_name(const char *name)
{
    static const char *const names[] = {"none", "peers", "all"};
    int i;

    for (i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

struct tls *tls_new(struct identity *id, enum tls_auth auth, struct error *e)
{
    struct credentials *c;
    struct tls *t;

    if (auth != TLS_AUTH_NONE && !id->ca) {
        error_set(e, ERR_INVAL,
                  "tls.client_auth: certificates of clients are asked for, and tls.ca is missing");
        return NULL;
    }
    c = credentials_new(id, e);
    if (!c)
        return NULL;
    t = mem_zalloc(sizeof(*t));
    t->first = identity_ref(id);
    t->auth = auth;
    t->credentials = c;
    pthread_mutex_init(&t->mu, NULL);
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->mu);
    credentials_unref(t->credentials);
    identity_unref(t->first);
    mem_free(t);
}

void tls_replace(struct tls *t, struct credentials *c)
{
    struct credentials *old;

    pthread_mutex_lock(&t->mu);
    old = t->credentials;
    t->credentials = c;
    pthread_mutex_unlock(&t->mu);
    credentials_unref(old);
}

static struct credentials *present(struct tls *t)
{
    struct credentials *c;

    pthread_mutex_lock(&t->mu);
    c = credentials_ref(t->credentials);
    pthread_mutex_unlock(&t->mu);
    return c;
}

const char *tls_cert(const struct tls *t)
{
    return t->first->cert;
}

const char *tls_key(const struct tls *t)
{
    return t->first->key;
}

enum tls_auth tls_auth(const struct tls *t)
{
    return t->auth;
}

/* --- a handshake that fails --- */

static void log_failure(const struct tls_conn *c, const char *why)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    unsigned count = seldom_count(&c->tls->failures);
    char from[ADDRESS_TEXT] = "", quoted[300];
    struct address a;

    if (!count)
        return;
    if (address_of(info->client_addr, &a))
        address_put(&a, from);
    log_warn("tls", "handshakes failed", "count=%u sender=%s error=%s", count, from,
             log_quote(quoted, sizeof(quoted), why, strlen(why)));
}

/* libmicrohttpd sends no alert, and closes the connection soon. */
static void tell(struct tls_conn *c, gnutls_alert_description_t alert, const char *why)
{
    if (c->alerted)
        return;
    c->alerted = 1;
    log_failure(c, why);
    gnutls_alert_send(c->session, GNUTLS_AL_FATAL, alert);
}

/* Somebody has asked in plain HTTP. The bytes are read first: if any were left, closing would reset
 * the connection, and the client might lose the answer. */
static void tell_plainly(struct tls_conn *c)
{
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n"
        "Content-Length: 67\r\n\r\n"
        "{\"error\":\"this port speaks TLS: ask with https://\",\"code\":\"INVAL\"}\n";
    char rest[4096];

    c->alerted = 1;
    log_failure(c, "a request without TLS");
    while (recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
        ;
    send(c->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(c->fd, SHUT_WR);
}

void tls_heard(const char *log_text)
{
    if (mine.last && list_linked(&mine.last->shaking) &&
        strstr(log_text, "handshake message out of context"))
        tell(mine.last, GNUTLS_A_HANDSHAKE_FAILURE, "no common parameters, or a malformed message");
}

/* --- bytes --- */

static ssize_t pull(gnutls_transport_ptr_t ptr, void *bytes, size_t n)
{
    struct tls_conn *c = ptr;
    ssize_t got = recv(c->fd, bytes, n, 0);

    mine.last = c;
    if (got <= 0)
        return got;
    mine.moved++;
    if (!c->heard && *(unsigned char *)bytes >= 'A' && *(unsigned char *)bytes <= 'Z') {
        tell_plainly(c);
        return 0;
    }
    c->heard = 1;
    return got;
}

/* All parts in one system call: a handshake message is then one packet. */
static ssize_t push(gnutls_transport_ptr_t ptr, const giovec_t *parts, int n)
{
    struct tls_conn *c = ptr;
    const struct msghdr m = {.msg_iov = (struct iovec *)(size_t)parts, .msg_iovlen = (size_t)n};
    ssize_t sent = sendmsg(c->fd, &m, MSG_NOSIGNAL | (c->more ? MSG_MORE : 0));

    c->more = 0;
    if (sent > 0)
        mine.moved++;
    return sent;
}

static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
    struct pollfd p = {.fd = ((struct tls_conn *)ptr)->fd, .events = POLLIN};

    (void)ms; /* nobody waits here */
    return poll(&p, 1, 0);
}

/* --- the handshake --- */

static void shook(struct tls_conn *c)
{
    list_del(&c->shaking);
}

/* A client whose best is TLS 1.1 is told so. */
static void look_at_hello(struct tls_conn *c, const gnutls_datum_t *body)
{
    const unsigned char *v = body->data;

    if (body->size >= 2 && (v[0] << 8 | v[1]) < TLS_1_2)
        tell(c, GNUTLS_A_PROTOCOL_VERSION, "the client has no TLS 1.2 or 1.3");
}

static int on_message(gnutls_session_t s, unsigned type, unsigned when, unsigned incoming,
                      const gnutls_datum_t *body)
{
    struct tls_conn *c = gnutls_transport_get_ptr(s);

    if (incoming && type == GNUTLS_HANDSHAKE_CLIENT_HELLO && when == GNUTLS_HOOK_PRE)
        look_at_hello(c, body);
    else if (incoming && type == GNUTLS_HANDSHAKE_FINISHED && when == GNUTLS_HOOK_POST)
        shook(c);
    return 0;
}

static gnutls_alert_description_t alert_for(unsigned status)
{
    if (status & GNUTLS_CERT_EXPIRED)
        return GNUTLS_A_CERTIFICATE_EXPIRED;
    if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
        return GNUTLS_A_UNKNOWN_CA;
    if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
        return GNUTLS_A_UNSUPPORTED_CERTIFICATE;
    return GNUTLS_A_BAD_CERTIFICATE;
}

/* The client may have sent its first request already. If its bytes were left unread, the end of the
 * connection would be a reset, and the client might lose the alert. So its handshake stays
 * unfinished until the client closes, or for a second. */
static int linger(struct tls_conn *c)
{
    ssize_t n = 1;
    char rest[4096];
    int i;

    for (i = 0; n > 0 && i < MOST_READS; i++)
        n = recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT);
    return n < 0 && errno == EAGAIN ? GNUTLS_E_AGAIN : GNUTLS_E_CERTIFICATE_ERROR;
}

static int refuse(struct tls_conn *c, gnutls_alert_description_t alert, const char *why)
{
    tell(c, alert, why);
    c->due_ms = clock_ms() + LINGER_MS;
    list_del(&c->shaking);
    list_push_front(&mine.all, &c->shaking);
    return linger(c);
}

static int refuse_certificate(struct tls_conn *c, unsigned status)
{
    char why[200] = "the client's certificate: ";
    size_t n = strlen(why);
    gnutls_datum_t text = {NULL, 0};

    gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
    snprintf(why + n, sizeof(why) - n, "%s", text.data ? (char *)text.data : "");
    gnutls_free(text.data);
    for (n = strlen(why); why[n - 1] == ' '; n--)
        why[n - 1] = '\0';
    return refuse(c, alert_for(status), why);
}

/* GnuTLS' own check for a missing certificate would send no alert. */
static int refuse_without(struct tls_conn *c)
{
    int can_say = gnutls_protocol_get_version(c->session) >= GNUTLS_TLS1_3;

    if (c->tls->auth != TLS_AUTH_ALL)
        return 0;
    return refuse(c, can_say ? GNUTLS_A_CERTIFICATE_REQUIRED : GNUTLS_A_HANDSHAKE_FAILURE,
                  "the client shows no certificate");
}

/* A certificate that is for servers only, by its extended key usage, is no client's. GnuTLS calls
 * again while the client lingers. */
static int verify(gnutls_session_t s)
{
    static gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                            .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT};
    struct tls_conn *c = gnutls_transport_get_ptr(s);
    unsigned n = 0, status = 0;

    if (c->alerted)
        return linger(c);
    if (!gnutls_certificate_get_peers(s, &n) || !n)
        return refuse_without(c);
    if (gnutls_certificate_verify_peers(s, &purpose, 1, &status) < 0)
        status |= GNUTLS_CERT_INVALID;
    return status ? refuse_certificate(c, status) : 0;
}

/* --- a connection --- */

static void set_up_session(struct tls_conn *c)
{
    gnutls_session_t s = c->session;

    gnutls_transport_set_ptr(s, c);
    gnutls_transport_set_pull_function(s, pull);
    gnutls_transport_set_vec_push_function(s, push);
    gnutls_transport_set_pull_timeout_function(s, pull_timeout);
    gnutls_handshake_set_hook_function(s, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, on_message);
    if (c->tls->auth == TLS_AUTH_NONE)
        return;
    gnutls_certificate_server_set_request(s, GNUTLS_CERT_REQUEST);
    gnutls_session_set_verify_function(s, verify);
}

void tls_begin(struct tls *t, struct tls_conn *c, struct MHD_Connection *connection)
{
    const int on = 1;

    c->tls = t;
    c->connection = connection;
    c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    c->session =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* libmicrohttpd does it later */
    c->credentials = present(t);
    if (!credentials_use(c->credentials, c->session))
        log_failure(c, "no memory for a session");
    set_up_session(c);
    if (!mine.all.next)
        list_init(&mine.all);
    c->due_ms = clock_ms() + HANDSHAKE_MS;
    list_push_back(&mine.all, &c->shaking);
}

void tls_end(struct tls_conn *c)
{
    if (!c->tls)
        return;
    if (mine.last == c)
        mine.last = NULL;
    if (mine.asking == c)
        mine.asking = NULL;
    list_del(&c->shaking);
    credentials_unref(c->credentials);
}

int tls_is_verified(const struct tls_conn *c)
{
    unsigned n = 0;

    return c->tls && c->tls->auth != TLS_AUTH_NONE &&
           gnutls_certificate_get_peers(c->session, &n) && n;
}

int tls_write(struct MHD_Connection *c, const void *bytes, size_t n, ssize_t *sent)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    if (!info || !info->tls_session)
        return 0;
    *sent = gnutls_record_send(info->tls_session, bytes, n);
    *sent = *sent == (ssize_t)n ? *sent : 0;
    return 1;
}

int tls_is_closed(int fd)
{
    struct tcp_info t;
    socklen_t n = sizeof(t);

    return !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &n) && t.tcpi_state != TCP_ESTABLISHED;
}

/* --- the loop --- */

void tls_asked(struct tls_conn *c)
{
    mine.moved++;
    mine.asking = c;
}

void tls_expect_body(void)
{
    if (mine.asking)
        mine.asking->more = 1;
}

static int has_shaking(void)
{
    return mine.all.next && !list_empty(&mine.all);
}

int tls_stands_still(int mail)
{
    int still = has_shaking() && !mail && mine.moved == mine.seen;

    mine.seen = mine.moved;
    return still;
}

uint64_t tls_due_ms(void)
{
    return has_shaking() ? list_entry(mine.all.next, struct tls_conn, shaking)->due_ms : UINT64_MAX;
}

void tls_sweep(uint64_t now_ms)
{
    while (tls_due_ms() <= now_ms) {
        struct tls_conn *c = list_entry(mine.all.next, struct tls_conn, shaking);

        list_del(&c->shaking);
        if (!c->alerted)
            log_failure(c, "the client took more than 10 seconds");
        shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees that */
    }
}

void tls_deinit(void)
{
    if (!mine.all.next)
        return;
    while (list_pop_front(&mine.all))
        ;
    mine.all.next = NULL;
}
