/* SPDX-License-Identifier: MIT */
#include "http/credentials.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/identity.h"
#include "base/log.h"
#include "base/mem.h"

struct credentials {
    atomic_uint refs;
    gnutls_certificate_credentials_t certificates;
    gnutls_datum_t ticket_key;
};

static gnutls_datum_t datum(const char *text, size_t n)
{
    const gnutls_datum_t d = {(unsigned char *)(size_t)text, (unsigned)n};

    return d;
}

/* --- the certificate's time --- */

static void put_time(char out[32], time_t t)
{
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void log_time(time_t from, time_t until, int warnings_only)
{
    char from_text[32], until_text[32];
    time_t now = time(NULL);

    put_time(from_text, from);
    put_time(until_text, until);
    if (now < from)
        log_warn("tls", "the certificate is not valid yet", "from=%s", from_text);
    else if (now > until)
        log_warn("tls", "the certificate has expired", "until=%s", until_text);
    else if (!warnings_only)
        log_info("tls", "certificate read", "until=%s", until_text);
}

/* The first certificate of the file is the server's own. */
void credentials_log_time(const struct identity *id, int warnings_only)
{
    const gnutls_datum_t text = datum(id->cert, id->cert_len);
    gnutls_x509_crt_t *list;
    unsigned n, i;

    if (gnutls_x509_crt_list_import2(&list, &n, &text, GNUTLS_X509_FMT_PEM, 0) < 0)
        return;
    if (n)
        log_time(gnutls_x509_crt_get_activation_time(list[0]),
                 gnutls_x509_crt_get_expiration_time(list[0]), warnings_only);
    for (i = 0; i < n; i++)
        gnutls_x509_crt_deinit(list[i]);
    gnutls_free(list);
}

/* --- life --- */

static enum err read_ca(struct credentials *c, const struct identity *id, struct error *e)
{
    const gnutls_datum_t ca = datum(id->ca, id->ca_len);
    int n = gnutls_certificate_set_x509_trust_mem(c->certificates, &ca, GNUTLS_X509_FMT_PEM);

    if (n > 0)
        return ERR_OK;
    return error_set(e, ERR_INVAL, "tls.ca: the file has no certificate in PEM%s%s", n ? ": " : "",
                     n ? gnutls_strerror(n) : "");
}

static enum err read_pair(struct credentials *c, const struct identity *id, struct error *e)
{
    const gnutls_datum_t cert = datum(id->cert, id->cert_len), key = datum(id->key, id->key_len);
    int rc = gnutls_certificate_set_x509_key_mem(c->certificates, &cert, &key, GNUTLS_X509_FMT_PEM);

    if (rc >= 0)
        return ERR_OK;
    return error_set(e, ERR_INVAL, "tls.cert and tls.key: %s", gnutls_strerror(rc));
}

/* What the identity has. */
static struct credentials *read_all(const struct identity *id, struct error *e)
{
    struct credentials *c = mem_zalloc(sizeof(*c));

    atomic_init(&c->refs, 1);
    if (gnutls_certificate_allocate_credentials(&c->certificates) < 0) {
        mem_free(c);
        error_set(e, ERR_NOMEM, "no memory for certificates");
        return NULL;
    }
    if ((id->ca && read_ca(c, id, e)) || (id->cert && read_pair(c, id, e))) {
        credentials_unref(c);
        return NULL;
    }
    return c;
}

struct credentials *credentials_new(const struct identity *id, struct error *e)
{
    struct credentials *c = read_all(id, e);

    if (!c)
        return NULL;
    if (gnutls_session_ticket_key_generate(&c->ticket_key) < 0) {
        credentials_unref(c);
        error_set(e, ERR_NOMEM, "no key for session tickets");
        return NULL;
    }
    return c;
}

enum err credentials_check(const struct identity *id, struct error *e)
{
    struct credentials *c = read_all(id, e);

    credentials_unref(c);
    return c ? ERR_OK : e->code;
}

struct credentials *credentials_ref(struct credentials *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void credentials_unref(struct credentials *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    gnutls_certificate_free_credentials(c->certificates);
    if (c->ticket_key.data) {
        gnutls_memset(c->ticket_key.data, 0, c->ticket_key.size);
        gnutls_free(c->ticket_key.data);
    }
    mem_free(c);
}

int credentials_use(struct credentials *c, gnutls_session_t session)
{
    return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, c->certificates) >= 0 &&
           gnutls_session_ticket_enable_server(session, &c->ticket_key) >= 0;
}
