/* SPDX-License-Identifier: MIT */
#include "wire/auth.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/nonces.h"
#include "base/num.h"
#include "base/secrets.h"

#define VERSION "v1 "

enum {
    MOST_NONCES = 1 << 18, /* of changes in a minute; they take 16 MB at most */
    KEEP_MS = 2 * AUTH_SKEW_MS
};

enum { TIME_DIGITS = 15, HEX_DIGEST = 2 * AUTH_DIGEST_BYTES, HEX_NONCE = 2 * AUTH_NONCE_BYTES };

struct auth {
    pthread_mutex_t mu;
    struct secrets *secrets; /* guarded by mu: a reference */
    struct nonces *nonces;   /* set once */
};

/* The words of a header, as they stand there. */
struct words {
    const char *t, *n, *b, *s; /* b: NULL if it is left out */
    size_t t_len;
};

/* --- the secrets --- */

struct auth *auth_new(struct secrets *s)
{
    struct auth *a = mem_zalloc(sizeof(*a));

    pthread_mutex_init(&a->mu, NULL);
    a->secrets = secrets_ref(s);
    a->nonces = nonces_new(MOST_NONCES, KEEP_MS);
    return a;
}

void auth_replace(struct auth *a, struct secrets *s)
{
    struct secrets *old;

    pthread_mutex_lock(&a->mu);
    old = a->secrets;
    a->secrets = secrets_ref(s);
    pthread_mutex_unlock(&a->mu);
    secrets_unref(old);
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->mu);
    secrets_unref(a->secrets);
    nonces_free(a->nonces);
    mem_free(a);
}

static struct secrets *present(struct auth *a)
{
    struct secrets *s;

    pthread_mutex_lock(&a->mu);
    s = secrets_ref(a->secrets);
    pthread_mutex_unlock(&a->mu);
    return s;
}

/* --- the signature --- */

static void put_hex(char *out, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    size_t i;

    for (i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 0: they are no hex digits, in small letters. */
static int get_hex(unsigned char *out, const char *text, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return 0;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return 1;
}

/* The lines that are signed. */
static void put_lines(struct buf *out, const struct auth_request *r, const struct words *w)
{
    buf_putf(out, "groupcache v1\n%s\n", r->method);
    buf_puts(out, r->target);
    buf_putf(out, "\n%.*s\n%.*s\n", (int)w->t_len, w->t, HEX_NONCE, w->n);
    buf_putf(out, "%.*s\n", w->b ? HEX_DIGEST : 1, w->b ? w->b : "-");
}

static int sign(const char *secret, const struct buf *lines, unsigned char mac[AUTH_DIGEST_BYTES])
{
    return gnutls_hmac_fast(GNUTLS_MAC_SHA256, secret, strlen(secret), lines->data, lines->len,
                            mac) >= 0;
}

static int digest(const void *bytes, size_t n, unsigned char out[AUTH_DIGEST_BYTES])
{
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, n, out) >= 0;
}

/* --- to another node --- */

enum err auth_put(struct buf *out, struct auth *a, const struct auth_request *r, const void *body,
                  size_t n)
{
    char t[TIME_DIGITS + 8], nonce_hex[HEX_NONCE + 1], b[HEX_DIGEST + 1], s[HEX_DIGEST + 1];
    unsigned char nonce[AUTH_NONCE_BYTES], mac[AUTH_DIGEST_BYTES];
    struct words w = {.t = t, .n = nonce_hex, .b = n ? b : NULL};
    struct secrets *secrets = present(a);
    struct buf lines;
    int fine;

    w.t_len =
        (size_t)snprintf(t, sizeof(t), "%llu", (unsigned long long)(clock_wall_ns() / 1000000u));
    fine = gnutls_rnd(GNUTLS_RND_NONCE, nonce, sizeof(nonce)) >= 0;
    put_hex(nonce_hex, nonce, sizeof(nonce));
    if (n) {
        fine = fine && digest(body, n, mac);
        put_hex(b, mac, sizeof(mac));
    }
    buf_init(&lines, 0);
    put_lines(&lines, r, &w);
    fine = fine && !lines.failed && sign(secrets->list[0], &lines, mac);
    buf_deinit(&lines);
    secrets_unref(secrets);
    if (!fine) {
        out->failed = ERR_NOMEM;
        return ERR_NOMEM;
    }
    put_hex(s, mac, sizeof(mac));
    buf_putf(out, HEADER_AUTH ": " VERSION "t=%s n=%s%s%s s=%s", t, nonce_hex, n ? " b=" : "",
             n ? b : "", s);
    return buf_put(out, "", 1);
}

/* --- from another node --- */

/* Takes "x=" and n hex digits (0: decimal digits), and the space behind them unless it is the last.
 * NULL: they are not there. */
static const char *take(const char **at, char name, size_t n, size_t *len, int last)
{
    const char *begin = *at + 2, *end;

    if ((*at)[0] != name || (*at)[1] != '=')
        return NULL;
    *len = strspn(begin, n ? "0123456789abcdef" : "0123456789");
    end = begin + *len;
    if ((n && *len != n) || !*len || *end != (last ? '\0' : ' '))
        return NULL;
    *at = last ? end : end + 1;
    return begin;
}

static int parse(const char *value, struct words *w)
{
    const char *at = value + strlen(VERSION);
    size_t len;

    if (strncmp(value, VERSION, strlen(VERSION)) != 0)
        return 0;
    w->t = take(&at, 't', 0, &w->t_len, 0);
    w->n = w->t && w->t_len <= TIME_DIGITS ? take(&at, 'n', HEX_NONCE, &len, 0) : NULL;
    w->b = w->n && *at == 'b' ? take(&at, 'b', HEX_DIGEST, &len, 0) : NULL;
    w->s = w->n ? take(&at, 's', HEX_DIGEST, &len, 1) : NULL;
    return w->s != NULL;
}

/* Whether one of the secrets has signed it. All are tried, so that the time does not tell which. */
static int is_signed(struct auth *a, const struct auth_request *r, const struct words *w)
{
    unsigned char given[AUTH_DIGEST_BYTES], mac[AUTH_DIGEST_BYTES];
    struct secrets *secrets = present(a);
    struct buf lines;
    int found = 0;
    size_t i;

    buf_init(&lines, 0);
    put_lines(&lines, r, w);
    get_hex(given, w->s, sizeof(given));
    for (i = 0; i < secrets->n && !lines.failed; i++)
        found |= sign(secrets->list[i], &lines, mac) && !gnutls_memcmp(given, mac, sizeof(mac));
    buf_deinit(&lines);
    secrets_unref(secrets);
    return found;
}

static enum err check_time(const struct words *w, struct error *e)
{
    uint64_t now = clock_wall_ns() / 1000000u, t = 0, apart;

    num_parse_u64(w->t, w->t_len, UINT64_MAX, &t);
    apart = t > now ? t - now : now - t;
    if (apart <= AUTH_SKEW_MS)
        return ERR_OK;
    return error_set(e, ERR_INVAL,
                     HEADER_AUTH ": its time is %llu s %s this node's clock, and may differ by "
                                 "%d s: is it an old request, or is a clock wrong?",
                     (unsigned long long)apart / 1000, t > now ? "ahead of" : "behind",
                     AUTH_SKEW_MS / 1000);
}

enum err auth_check(struct auth *a, const struct auth_request *r, const char *value,
                    struct auth_claim *out, struct error *e)
{
    struct words w;

    if (!value)
        return error_set(e, ERR_INVAL,
                         "a request of a node must have " HEADER_AUTH
                         ", signed with the peer_secret of this node");
    if (!parse(value, &w))
        return error_set(e, ERR_INVAL, HEADER_AUTH ": it is malformed");
    if (!is_signed(a, r, &w))
        return error_set(e, ERR_INVAL, HEADER_AUTH ": no peer_secret of this node has signed it");
    get_hex(out->nonce, w.n, sizeof(out->nonce));
    out->has_body = w.b != NULL;
    if (w.b)
        get_hex(out->body, w.b, sizeof(out->body));
    return check_time(&w, e);
}

enum err auth_use_once(struct auth *a, const struct auth_claim *c, struct error *e)
{
    switch (nonces_use(a->nonces, c->nonce, clock_ms())) {
    case NONCES_NEW:
        return ERR_OK;
    case NONCES_USED:
        return error_set(e, ERR_INVAL, HEADER_AUTH ": this request was taken before");
    default:
        return error_set(e, ERR_BUSY, "there are more than %d signed changes a minute",
                         MOST_NONCES);
    }
}

int auth_is_body(const struct auth_claim *c, const void *bytes, size_t n)
{
    unsigned char d[AUTH_DIGEST_BYTES];

    if (!c->has_body || !n)
        return !c->has_body && !n;
    return digest(bytes, n, d) && !gnutls_memcmp(d, c->body, sizeof(d));
}
