/* SPDX-License-Identifier: MIT */
#include "base/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { MAX_BYTES = 1 << 20 };

static enum err read_open(FILE *f, const char *what, const char *path, char **out, size_t *len,
                          struct error *e)
{
    char *bytes = mem_alloc(MAX_BYTES + 1);
    size_t n;

    if (!bytes)
        return error_set(e, ERR_NOMEM, "no memory for %s %s", what, path);
    n = fread(bytes, 1, MAX_BYTES + 1, f);
    if (ferror(f))
        error_set(e, ERR_INVAL, "%s %s: %s", what, path, strerror(errno));
    else if (!n)
        error_set(e, ERR_INVAL, "%s %s: the file is empty", what, path);
    else if (n > MAX_BYTES)
        error_set(e, ERR_INVAL, "%s %s: the file has more than %d bytes", what, path, MAX_BYTES);
    else
        *out = mem_strndup(bytes, n);
    *len = *out ? n : 0;
    explicit_bzero(bytes, n);
    mem_free(bytes);
    return *out ? ERR_OK : e->code;
}

static enum err read_file(const char *what, const char *path, char **out, size_t *len,
                          struct error *e)
{
    FILE *f;
    enum err failed;

    if (!path)
        return ERR_OK;
    f = fopen(path, "rbe");
    if (!f)
        return error_set(e, ERR_INVAL, "%s %s: %s", what, path, strerror(errno));
    failed = read_open(f, what, path, out, len, e);
    fclose(f);
    return failed;
}

struct identity *identity_read(const struct identity_paths *paths, struct error *e)
{
    struct identity *id;

    if (!paths->cert != !paths->key) {
        error_set(e, ERR_INVAL, "tls: cert and key belong together, and %s is missing",
                  paths->cert ? "key" : "cert");
        return NULL;
    }
    id = mem_zalloc(sizeof(*id));
    atomic_init(&id->refs, 1);
    if (!read_file("tls.cert", paths->cert, &id->cert, &id->cert_len, e) &&
        !read_file("tls.key", paths->key, &id->key, &id->key_len, e) &&
        !read_file("tls.ca", paths->ca, &id->ca, &id->ca_len, e))
        return id;
    identity_unref(id);
    return NULL;
}

struct identity *identity_ref(struct identity *id)
{
    atomic_fetch_add_explicit(&id->refs, 1, memory_order_relaxed);
    return id;
}

void identity_unref(struct identity *id)
{
    if (!id || atomic_fetch_sub_explicit(&id->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (id->key)
        explicit_bzero(id->key, id->key_len);
    mem_free(id->cert);
    mem_free(id->key);
    mem_free(id->ca);
    mem_free(id);
}
