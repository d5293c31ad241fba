/* SPDX-License-Identifier: MIT */
#include "base/secrets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { MAX_FILE_BYTES = 64 * 1024 };

static enum err add(struct secrets *s, const char *text, size_t n, const char *from,
                    struct error *e)
{
    while (n && strchr(" \t\r", *text)) {
        text++;
        n--;
    }
    while (n && strchr(" \t\r", text[n - 1]))
        n--;
    if (!n)
        return ERR_OK;
    if (n < SECRETS_MIN_BYTES)
        return error_set(e, ERR_INVAL, "%s: a secret has %zu bytes, and must have %d or more", from,
                         n, SECRETS_MIN_BYTES);
    if (s->n == SECRETS_MOST)
        return error_set(e, ERR_INVAL, "%s: there are more than %d secrets", from, SECRETS_MOST);
    s->list[s->n++] = mem_strndup(text, n);
    return ERR_OK;
}

static enum err add_all(struct secrets *s, const char *text, char between, const char *from,
                        struct error *e)
{
    const char *end;

    for (; (end = strchr(text, between)); text = end + 1)
        if (add(s, text, (size_t)(end - text), from, e))
            return e->code;
    return add(s, text, strlen(text), from, e);
}

static enum err add_file(struct secrets *s, const char *path, struct error *e)
{
    FILE *f = fopen(path, "rbe");
    char *text;
    size_t n;

    if (!f)
        return error_set(e, ERR_INVAL, "peer_secret_file %s: %s", path, strerror(errno));
    text = mem_zalloc(MAX_FILE_BYTES + 1);
    n = fread(text, 1, MAX_FILE_BYTES, f);
    e->code = ERR_OK;
    if (ferror(f) || memchr(text, '\0', n) || !feof(f))
        error_set(e, ERR_INVAL, "peer_secret_file %s: %s", path,
                  ferror(f) ? strerror(errno) : "it is no text of at most 64 KiB");
    else
        add_all(s, text, '\n', "peer_secret_file", e);
    explicit_bzero(text, n);
    mem_free(text);
    fclose(f);
    return e->code;
}

struct secrets *secrets_read(const char *text, const char *path, struct error *e)
{
    struct secrets *s = mem_zalloc(sizeof(*s));

    atomic_init(&s->refs, 1);
    if ((!text || !add_all(s, text, ',', "peer_secret", e)) && (!path || !add_file(s, path, e))) {
        if (s->n)
            return s;
        error_set(e, ERR_INVAL, "%s%s has no secret", path ? "peer_secret_file " : "peer_secret",
                  path ? path : "");
    }
    secrets_unref(s);
    return NULL;
}

struct secrets *secrets_ref(struct secrets *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void secrets_unref(struct secrets *s)
{
    size_t i;

    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (i = 0; i < s->n; i++) {
        explicit_bzero(s->list[i], strlen(s->list[i]));
        mem_free(s->list[i]);
    }
    mem_free(s);
}
