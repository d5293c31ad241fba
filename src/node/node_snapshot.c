/* SPDX-License-Identifier: MIT */
#include "node/node_snapshot.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/gate.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "change/missed.h"
#include "node/snapshot_parts.h"
#include "store/journal.h"
#include "store/snapshot_read.h"
#include "store/snapshot_write.h"

enum { READ_MS = 15000, NICE = 10 };

struct node_snapshot {
    struct node_snapshot_opts opts; /* set once, as is all but the last two */
    char *path;
    struct journal *journal; /* NULL without a path */
    struct groups *groups;
    struct gate quit;
    atomic_int quitting;
    pthread_t thread;
    int started;
};

/* --- life --- */

enum err node_snapshot_check(const char *path, struct error *e)
{
    char copy[PATH_MAX];
    size_t most = sizeof(copy) - sizeof(".peers.new"); /* the longest name that is added */

    if (strlen(path) > most)
        return error_set(e, ERR_INVAL, "snapshot_path: %.60s... has %zu bytes, %zu are the most",
                         path, strlen(path), most);
    snprintf(copy, sizeof(copy), "%s", path);
    if (access(dirname(copy), W_OK | X_OK) != 0)
        return error_set(e, ERR_INVAL, "snapshot_path: %.200s: %s", path, strerror(errno));
    return ERR_OK;
}

static enum err open_journal(struct node_snapshot *s, struct error *e)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s.changes", s->path);
    s->journal = journal_open(path, e);
    if (!s->journal)
        return e->code;
    snprintf(path, sizeof(path), "%s.new", s->path);
    unlink(path); /* of a process that was killed while it wrote */
    return ERR_OK;
}

struct node_snapshot *node_snapshot_open(const struct node_snapshot_opts *o, struct error *e)
{
    struct node_snapshot *s = mem_zalloc(sizeof(*s));

    s->opts = *o;
    s->path = o->path ? mem_strdup(o->path) : NULL;
    gate_init(&s->quit);
    if (s->path && open_journal(s, e)) {
        node_snapshot_free(s);
        return NULL;
    }
    return s;
}

void node_snapshot_free(struct node_snapshot *s)
{
    if (!s)
        return;
    journal_close(s->journal);
    gate_deinit(&s->quit);
    mem_free(s->path);
    mem_free(s);
}

static void note_change(void *journal, uint64_t group, uint64_t name)
{
    journal_note(journal, group, name);
}

void node_snapshot_note_changes(struct node_snapshot *s, struct loader *l)
{
    l->journal = s->journal;
    l->changed = s->journal ? note_change : NULL;
}

/* --- the list of peers --- */

enum { PEERS_BYTES = 1 << 20 };

static FILE *open_peers(const struct node_snapshot *s, const char *end, const char *mode)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s.peers%s", s->path, end);
    return fopen(path, mode);
}

/* Without the file the next start reads no part that other nodes share. */
static void write_peers(const struct node_snapshot *s)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    FILE *f = open_peers(s, ".new", "we");
    struct buf urls;
    int done;

    buf_init(&urls, 0);
    s->opts.put_peers(s->opts.ctx, &urls);
    done = f && !urls.failed && (!urls.len || fwrite(urls.data, 1, urls.len, f) == urls.len);
    done = f && !fclose(f) && done;
    snprintf(path, sizeof(path), "%s.peers", s->path);
    snprintf(fresh, sizeof(fresh), "%s.peers.new", s->path);
    if (!done || rename(fresh, path) != 0)
        log_warn("snapshot", "the list of peers is not written", "error=\"%s\"", strerror(errno));
    buf_deinit(&urls);
}

int node_snapshot_last_peers(struct node_snapshot *s, struct buf *out)
{
    FILE *f = s->path ? open_peers(s, "", "re") : NULL;
    size_t n = 0;

    if (!f)
        return 0;
    if (!buf_reserve(out, PEERS_BYTES)) {
        n = fread(out->data, 1, PEERS_BYTES - 1, f);
        out->data[n] = '\0';
    }
    fclose(f);
    return n > 0 && !memchr(out->data, '\0', n);
}

/* --- writing --- */

struct writing {
    struct node_snapshot *snapshot;
    struct snapshot_writer *writer;
    struct error *e;
    int failed;
};

static int must_stop(void *ctx)
{
    return atomic_load(&((struct node_snapshot *)ctx)->quitting);
}

static void write_group(void *arg, struct group *g)
{
    struct writing *w = arg;
    int shared = !missed_is_alone(g, w->snapshot->opts.peers_of(g));

    if (!w->failed)
        w->failed = snapshot_write_group(w->writer, g, shared, w->e) != ERR_OK;
}

/* last: for the last time. clean: no thread can change a group any more. Returns the error in
 * e->code. */
static enum err write_all(struct node_snapshot *s, int last, int clean, struct error *e)
{
    const struct snapshot_write_opts o = {.path = s->path,
                                          .dialect = s->opts.dialect,
                                          .clean = clean,
                                          .slowly = !last,
                                          .stop = last ? NULL : must_stop,
                                          .ctx = s};
    uint64_t began_ms = clock_real_ms(), items, bytes;
    struct writing w = {s, snapshot_write_open(&o, e), e, 0};

    if (!w.writer)
        return e->code;
    write_peers(s);
    groups_each(s->groups, write_group, &w);
    items = snapshot_write_items(w.writer);
    bytes = snapshot_write_bytes(w.writer);
    if (w.failed) {
        snapshot_write_drop(w.writer);
        return e->code;
    }
    if (snapshot_write_end(w.writer, e))
        return e->code;
    log_info("snapshot", "written", "items=%llu bytes=%llu last=%d ms=%llu",
             (unsigned long long)items, (unsigned long long)bytes, last,
             (unsigned long long)(clock_real_ms() - began_ms));
    return ERR_OK;
}

static void write_and_log(struct node_snapshot *s, int last, int clean)
{
    char quoted[4 * ERROR_TEXT];
    struct error e;

    if (write_all(s, last, clean, &e) && e.code != ERR_CLOSED)
        log_error("snapshot", "not written: the file stays as it was", "error=%s",
                  log_quote(quoted, sizeof(quoted), e.msg, strlen(e.msg)));
}

static void *snapshot_main(void *arg)
{
    struct node_snapshot *s = arg;
    uint64_t every_ms = s->opts.every_ms ? s->opts.every_ms : GATE_FOR_EVER;

    setpriority(PRIO_PROCESS, (id_t)thread_id(), NICE);
    while (!gate_wait(&s->quit, every_ms))
        write_and_log(s, 0, 0);
    return NULL;
}

enum err node_snapshot_start(struct node_snapshot *s, struct groups *groups, struct error *e)
{
    s->groups = groups;
    if (!s->path)
        return ERR_OK;
    if (thread_start(&s->thread, "snapshot", 0, snapshot_main, s, e))
        return e->code;
    s->started = 1;
    return ERR_OK;
}

void node_snapshot_end(struct node_snapshot *s, int clean)
{
    if (!s || !s->started)
        return;
    atomic_store(&s->quitting, 1);
    gate_open(&s->quit);
    pthread_join(s->thread, NULL);
    s->started = 0;
    write_and_log(s, 1, clean);
}

/* --- reading --- */

/* Whether the node's own changes since the file are known, and the file is young enough. */
static enum err check_head(struct node_snapshot *s, const struct snapshot_reader *r,
                           struct snapshot_facts *f, struct error *e)
{
    const struct snapshot_head *h = snapshot_read_head(r);
    char boot[BOOT_BYTES];

    boot_name(boot);
    f->same_start = *boot && memcmp(boot, h->boot, sizeof(boot)) == 0;
    f->since_ms = h->boot_ms;
    if (snapshot_read_age(r, &f->age_ms, e))
        return e->code;
    if (f->age_ms > s->opts.max_age_ms)
        return error_set(e, ERR_INVAL, "it is %llu ms old, snapshot_max_age is %llu ms",
                         (unsigned long long)f->age_ms, (unsigned long long)s->opts.max_age_ms);
    if (!h->clean && !(f->same_start && journal_began_ms(s->journal) <= h->boot_ms))
        return error_set(
            e, ERR_INVAL,
            "the node has not ended by itself, and what it changed since is not known");
    return ERR_OK;
}

static void refuse(const char *path, const struct error *e)
{
    char quoted[4 * ERROR_TEXT];

    if (e->code == ERR_NOTFOUND)
        log_info("snapshot", "there is none yet", "path=\"%s\"", path);
    else
        log_warn("snapshot", "not read", "path=\"%s\" error=%s", path,
                 log_quote(quoted, sizeof(quoted), e->msg, strlen(e->msg)));
}

void node_snapshot_read(struct node_snapshot *s, struct groups *groups)
{
    struct snapshot_facts f = {.journal = s->journal, .peers_of = s->opts.peers_of};
    struct snapshot_reader *r = NULL;
    struct error e;
    int good;

    if (!s->path)
        return;
    f.dialect = s->opts.dialect;
    f.until_ms = clock_real_ms() + READ_MS;
    r = snapshot_read_open(s->path, &e);
    good = r && !check_head(s, r, &f, &e);
    if (!good)
        refuse(s->path, &e);
    /* Else a start after the next one might take the file for that of a node that has ended. */
    if (r && snapshot_read_spoil(s->path, &e)) {
        refuse(s->path, &e);
        good = 0;
    }
    if (good)
        snapshot_parts_read(r, groups, &f);
    snapshot_read_close(r);
}
