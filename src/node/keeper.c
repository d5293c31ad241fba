/* SPDX-License-Identifier: MIT */
#include "node/keeper.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "node/group_peers.h"
#include "peer/peers.h"

void keeper_init(struct keeper *k, struct groups *groups)
{
    memset(k, 0, sizeof(*k));
    pthread_mutex_init(&k->mu, NULL);
    pthread_mutex_init(&k->status_mu, NULL);
    k->groups = groups;
    k->sources = mem_strdup("");
}

void keeper_deinit(struct keeper *k)
{
    mem_free(k->source);
    mem_free(k->sources);
    mem_free(k->status);
    pthread_mutex_destroy(&k->status_mu);
    pthread_mutex_destroy(&k->mu);
}

void keeper_lock(struct keeper *k)
{
    pthread_mutex_lock(&k->mu);
}

void keeper_unlock(struct keeper *k)
{
    pthread_mutex_unlock(&k->mu);
}

static void replace(char **text, const char *by)
{
    mem_free(*text);
    *text = by ? mem_strdup(by) : NULL;
}

/* Takes the text. */
static void set_status(struct keeper *k, char *status)
{
    pthread_mutex_lock(&k->status_mu);
    mem_free(k->status);
    k->status = status;
    pthread_mutex_unlock(&k->status_mu);
}

enum err keeper_take_over(struct keeper *k, const struct vm *vm, const struct keeper_list *list,
                          struct error *e)
{
    if (!list->source && peers_set(k->peers, list->peers, list->n_peers, e))
        return e->code;
    k->vm = vm;
    replace(&k->source, list->source);
    replace(&k->sources, list->sources ? list->sources : "");
    set_status(k, NULL);
    return ERR_OK;
}

void keeper_end(struct keeper *k)
{
    pthread_mutex_lock(&k->mu);
    replace(&k->sources, "");
    pthread_mutex_unlock(&k->mu);
}

int keeper_goes_on(struct keeper *k, const char *source)
{
    size_t n = strlen(source);
    const char *at;
    int found = 0;

    pthread_mutex_lock(&k->mu);
    for (at = k->sources; *at && !found; at += strcspn(at, "\n") + 1)
        found = strncmp(at, source, n) == 0 && at[n] == '\n';
    pthread_mutex_unlock(&k->mu);
    return found;
}

/* --- lists with a source --- */

static enum err set_of_group_locked(struct keeper *k, const char *name, const char *urls,
                                    struct error *e)
{
    struct group *g = groups_find(k->groups, name, strlen(name));
    enum err failed;

    if (!g)
        return error_set(e, ERR_NOTFOUND, "this node has no group \"%s\"", name);
    failed = group_peers_keep(group_ctx(g), name, urls, e);
    group_unref(g);
    return failed;
}

enum err keeper_set(struct keeper *k, const struct vm *vm, const char *group, const char *urls,
                    struct error *e)
{
    enum err failed;

    pthread_mutex_lock(&k->mu);
    if (k->vm != vm)
        failed = error_set(e, ERR_CLOSED, "the lists of peers are those of a later script");
    else if (group)
        failed = set_of_group_locked(k, group, urls, e);
    else if (!k->source)
        failed = error_set(e, ERR_INVAL, "the list of peers has no source");
    else
        failed = group_peers_put(k->peers, urls, e);
    pthread_mutex_unlock(&k->mu);
    return failed;
}

void keeper_tell(struct keeper *k, const struct vm *vm, const char *json, size_t n)
{
    pthread_mutex_lock(&k->mu);
    if (k->vm == vm)
        set_status(k, mem_strndup(json, n));
    pthread_mutex_unlock(&k->mu);
}

/* Bytes outside ASCII are in strings only, and may be no UTF-8: an error quotes what a source said.
 * They are written as json_out.h does it in all of /stats. */
static void put_json(struct buf *out, const char *json)
{
    const char *at;

    for (at = json; *at; at++) {
        if (*at & 0x80)
            buf_putf(out, "\\u%04x", (unsigned char)*at);
        else
            buf_put(out, at, 1);
    }
}

void keeper_put(struct keeper *k, struct buf *out)
{
    pthread_mutex_lock(&k->status_mu);
    put_json(out, k->status ? k->status : "[]");
    pthread_mutex_unlock(&k->status_mu);
}

static void put_url(void *arg, const struct peer_stats *s)
{
    buf_putf(arg, "%s\n", s->url);
}

void keeper_list_put(struct keeper *k, const char *group, struct buf *out)
{
    struct group *g = group ? groups_find(k->groups, group, strlen(group)) : NULL;

    peers_each(g ? group_peers_of_group(g) : k->peers, put_url, out);
    group_unref(g);
}

/* --- typed lists --- */

enum err keeper_set_typed(struct keeper *k, const char *const *urls, size_t n, struct error *e)
{
    enum err failed;

    pthread_mutex_lock(&k->mu);
    if (k->source)
        failed =
            error_set(e, ERR_INVAL, "the peers come from %s, which would replace them", k->source);
    else
        failed = peers_set(k->peers, urls, n, e);
    pthread_mutex_unlock(&k->mu);
    return failed;
}

enum err keeper_set_typed_of(struct keeper *k, const char *group, const char *urls, struct error *e)
{
    struct group *g = groups_find(k->groups, group, strlen(group));
    enum err failed;

    if (!g)
        return error_set(e, ERR_NOTFOUND, "this node has no group \"%s\"", group);
    pthread_mutex_lock(&k->mu);
    if (group_peers_has_source(group_ctx(g)))
        failed = error_set(e, ERR_INVAL,
                           "the peers of group \"%s\" come from a source, which would replace them",
                           group);
    else
        failed = group_peers_replace(group_ctx(g), group, urls, e);
    pthread_mutex_unlock(&k->mu);
    group_unref(g);
    return failed;
}
