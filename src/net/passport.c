/* SPDX-License-Identifier: MIT */
#include "net/passport.h"

#include "base/identity.h"
#include "base/mem.h"

struct passport {
    unsigned refs;
    struct identity *identity; /* a reference */
    CURLSH *sessions;          /* NULL: for lack of memory each handshake is a whole one */
};

/* Without locks: one thread uses it. */
struct passport *passport_new(struct identity *id)
{
    struct passport *p = mem_zalloc(sizeof(*p));

    p->refs = 1;
    p->identity = identity_ref(id);
    p->sessions = curl_share_init();
    if (p->sessions)
        curl_share_setopt(p->sessions, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return p;
}

struct passport *passport_ref(struct passport *p)
{
    p->refs++;
    return p;
}

void passport_unref(struct passport *p)
{
    if (!p || --p->refs)
        return;
    if (p->sessions)
        curl_share_cleanup(p->sessions);
    identity_unref(p->identity);
    mem_free(p);
}

/* Borrowed by the handle. A connection copies it. */
static struct curl_blob blob_of(char *text, size_t n)
{
    const struct curl_blob b = {text, n, CURL_BLOB_NOCOPY};

    return b;
}

CURLcode passport_show(struct passport *p, CURL *c)
{
    const struct identity *id = p->identity;
    struct curl_blob ca = blob_of(id->ca, id->ca_len);
    struct curl_blob cert = blob_of(id->cert, id->cert_len), key = blob_of(id->key, id->key_len);
    CURLcode rc = curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);

    if (!rc && p->sessions)
        rc = curl_easy_setopt(c, CURLOPT_SHARE, p->sessions);
    if (!rc && id->ca)
        rc = curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca);
    if (!rc && id->ca)
        rc = curl_easy_setopt(c, CURLOPT_CAPATH, NULL); /* not the system's, too */
    if (!rc && id->cert)
        rc = curl_easy_setopt(c, CURLOPT_SSLCERT_BLOB, &cert);
    if (!rc && id->cert)
        rc = curl_easy_setopt(c, CURLOPT_SSLKEY_BLOB, &key);
    return rc;
}
