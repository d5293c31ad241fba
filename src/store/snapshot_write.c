/* SPDX-License-Identifier: MIT */
#include "store/snapshot_write.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "cache/group.h"
#include "cache/item.h"
#include "store/snapshot.h"

enum {
    BATCH = 64,              /* items or buckets in one critical section: some microseconds */
    BLOCK_BYTES = 256 << 10, /* a block is written when it has so many */
    SYNC_BYTES = 8 << 20,    /* the disk gets so many at a time, not all at the end */
    REST_MAX_MS = 200
};

struct snapshot_writer {
    struct snapshot_write_opts opts;
    char path[PATH_MAX]; /* of the new file */
    int fd;
    uint64_t clock_ms; /* clock_ms() at the head's boot_ms */
    uint64_t items, bytes, unsynced;
    struct snapshot_block block; /* the one that is being filled */
    struct buf records;          /* its name and its records */
};

/* --- the file --- */

static enum err failed(const struct snapshot_writer *w, struct error *e)
{
    return error_set(e, ERR_INVAL, "%.200s: %s", w->path, strerror(errno));
}

static enum err put(struct snapshot_writer *w, const void *bytes, size_t n, struct error *e)
{
    const char *at = bytes;

    w->bytes += n;
    w->unsynced += n;
    while (n) {
        ssize_t done = write(w->fd, at, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            errno = done ? errno : ENOSPC;
            return failed(w, e);
        }
        at += done;
        n -= (size_t)done;
    }
    return ERR_OK;
}

/* Else the page cache would fill with dirty pages, and the node's own writes would wait. */
static void sync_some(struct snapshot_writer *w)
{
    if (w->unsynced < SYNC_BYTES)
        return;
    fdatasync(w->fd);
    posix_fadvise(w->fd, 0, 0, POSIX_FADV_DONTNEED);
    w->unsynced = 0;
}

static void make_head(const struct snapshot_writer *w, struct snapshot_head *h)
{
    memset(h, 0, sizeof(*h));
    memcpy(h->magic, SNAPSHOT_MAGIC, sizeof(h->magic));
    h->order = SNAPSHOT_ORDER;
    h->version = SNAPSHOT_VERSION;
    boot_name(h->boot);
    h->boot_ms = clock_boot_ms();
    h->wall_ms = clock_wall_ns() / 1000000u;
    h->dialect = hash_murmur64(w->opts.dialect, strlen(w->opts.dialect));
    h->clean = (uint64_t)w->opts.clean;
    h->sum = hash_murmur64(h, offsetof(struct snapshot_head, sum));
}

struct snapshot_writer *snapshot_write_open(const struct snapshot_write_opts *o, struct error *e)
{
    struct snapshot_writer *w = mem_zalloc(sizeof(*w));
    struct snapshot_head h;

    w->opts = *o;
    buf_init(&w->records, 0);
    snprintf(w->path, sizeof(w->path), "%s.new", o->path);
    w->fd = open(w->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (w->fd < 0) {
        failed(w, e);
        mem_free(w);
        return NULL;
    }
    w->clock_ms = clock_ms();
    make_head(w, &h);
    if (put(w, &h, sizeof(h), e)) {
        snapshot_write_drop(w);
        return NULL;
    }
    return w;
}

/* --- blocks --- */

static void begin_block(struct snapshot_writer *w, const char *name, int shared,
                        const char *content)
{
    memset(&w->block, 0, sizeof(w->block));
    w->block.mark = SNAPSHOT_BLOCK;
    w->block.name_len = (uint32_t)strlen(name);
    w->block.shared = (uint64_t)shared;
    w->block.content = hash_murmur64(content, strlen(content));
    buf_reset(&w->records);
    buf_put(&w->records, name, strlen(name));
}

static enum err end_block(struct snapshot_writer *w, struct error *e)
{
    struct snapshot_block *b = &w->block;

    if (w->records.failed)
        return error_set(e, ERR_NOMEM, "no memory for a block of a snapshot");
    b->bytes = (uint32_t)w->records.len;
    b->sum = hash_murmur64(b, offsetof(struct snapshot_block, sum)) ^
             hash_murmur64(w->records.data, w->records.len);
    if (put(w, b, sizeof(*b), e) || put(w, w->records.data, w->records.len, e))
        return e->code;
    w->items += b->n_items;
    b->n_items = 0;
    w->records.len = b->name_len; /* the next one has the same name */
    sync_some(w);
    return ERR_OK;
}

static void put_item(struct snapshot_writer *w, struct item *it)
{
    size_t extra_len;
    const char *extra = item_extra(it, &extra_len);
    const uint32_t n = (uint32_t)extra_len;
    const struct snapshot_record r = {.key_len = it->key_len,
                                      .value_len = it->value_len,
                                      .age_s = (uint32_t)item_age_s(it, w->clock_ms),
                                      .flags = (it->negative ? SNAPSHOT_NEGATIVE : 0u) |
                                               (it->mortal ? SNAPSHOT_MORTAL : 0u) |
                                               (it->extra ? SNAPSHOT_EXTRA : 0u),
                                      .left_ms = (int64_t)(item_expires_ms(it) - w->clock_ms)};

    buf_put(&w->records, &r, sizeof(r));
    buf_put(&w->records, item_key(it), it->key_len);
    buf_put(&w->records, item_value(it), it->value_len);
    if (n) {
        buf_put(&w->records, &n, sizeof(n));
        buf_put(&w->records, extra, n);
    }
    w->block.n_items++;
}

/* Writes the items, and drops their references in any case. */
static enum err put_items(struct snapshot_writer *w, struct item **items, size_t n, struct error *e)
{
    enum err bad = ERR_OK;
    size_t i;

    for (i = 0; i < n; i++) {
        if (!bad) {
            put_item(w, items[i]);
            bad = w->records.len >= BLOCK_BYTES ? end_block(w, e) : ERR_OK;
        }
        item_unref(items[i]);
    }
    return bad;
}

static void rest(uint64_t since_ns)
{
    uint64_t ns = clock_real_ns() - since_ns, most = REST_MAX_MS * 1000000u;
    const struct timespec pause = {0, (long)(ns < most ? ns : most)};

    nanosleep(&pause, NULL);
}

enum err snapshot_write_group(struct snapshot_writer *w, struct group *g, int shared,
                              struct error *e)
{
    uint64_t since_ns = clock_real_ns();
    struct item *items[BATCH];
    size_t at = 0;

    begin_block(w, group_name(g), shared, group_content_type(g));
    while (at != SIZE_MAX) {
        uint64_t before = w->bytes;
        size_t n = group_walk(g, &at, items, BATCH);

        if (put_items(w, items, n, e))
            return e->code;
        if (w->bytes == before)
            continue;
        if (w->opts.stop && w->opts.stop(w->opts.ctx))
            return error_set(e, ERR_CLOSED, "the node is stopping");
        if (w->opts.slowly)
            rest(since_ns);
        since_ns = clock_real_ns();
    }
    return w->block.n_items ? end_block(w, e) : ERR_OK;
}

/* --- the end --- */

static void writer_free(struct snapshot_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    buf_deinit(&w->records);
    mem_free(w);
}

/* The name of a file is on the disk once its folder is. */
static void sync_folder(const char *path)
{
    char copy[PATH_MAX];
    int fd;

    snprintf(copy, sizeof(copy), "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static enum err finish(struct snapshot_writer *w, struct error *e)
{
    begin_block(w, "", 0, "");
    buf_put(&w->records, &w->items, sizeof(w->items));
    if (end_block(w, e))
        return e->code;
    if (fsync(w->fd) != 0 || rename(w->path, w->opts.path) != 0)
        return failed(w, e);
    sync_folder(w->opts.path);
    return ERR_OK;
}

enum err snapshot_write_end(struct snapshot_writer *w, struct error *e)
{
    if (finish(w, e)) {
        snapshot_write_drop(w);
        return e->code;
    }
    writer_free(w);
    return ERR_OK;
}

void snapshot_write_drop(struct snapshot_writer *w)
{
    if (!w)
        return;
    unlink(w->path);
    writer_free(w);
}

uint64_t snapshot_write_items(const struct snapshot_writer *w)
{
    return w->items;
}

uint64_t snapshot_write_bytes(const struct snapshot_writer *w)
{
    return w->bytes;
}
