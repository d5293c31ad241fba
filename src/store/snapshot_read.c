/* SPDX-License-Identifier: MIT */
#include "store/snapshot_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

struct snapshot_reader {
    int fd;
    uint64_t left; /* bytes of the file */
    struct snapshot_head head;
    struct snapshot_block block;
    char *bytes;     /* of the block, owned; NULL: the next block is to be read */
    uint32_t at;     /* of the next record in them */
    uint32_t unread; /* records */
    uint64_t items;
};

/* 1: n bytes were read. */
static int get(struct snapshot_reader *r, void *out, size_t n)
{
    char *at = out;

    if (n > r->left)
        return 0;
    r->left -= n;
    while (n) {
        ssize_t some = read(r->fd, at, n);

        if (some < 0 && errno == EINTR)
            continue;
        if (some <= 0)
            return 0;
        at += some;
        n -= (size_t)some;
    }
    return 1;
}

static const char *wrong_head(const struct snapshot_head *h)
{
    if (memcmp(h->magic, SNAPSHOT_MAGIC, sizeof(h->magic)) != 0)
        return "it is no snapshot";
    if (h->order != SNAPSHOT_ORDER)
        return "it is of a machine with another byte order";
    if (!h->version || h->version > SNAPSHOT_VERSION)
        return "it is of another version of groupcache";
    if (h->sum != hash_murmur64(h, offsetof(struct snapshot_head, sum)))
        return "its head is damaged";
    return NULL;
}

struct snapshot_reader *snapshot_read_open(const char *path, struct error *e)
{
    struct snapshot_reader *r = mem_zalloc(sizeof(*r));
    const char *wrong = "it is too short";
    struct stat st;

    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0 || fstat(r->fd, &st) != 0) {
        error_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_INVAL, "%.200s: %s", path,
                  strerror(errno));
        snapshot_read_close(r);
        return NULL;
    }
    r->left = (uint64_t)st.st_size;
    if (get(r, &r->head, sizeof(r->head)))
        wrong = wrong_head(&r->head);
    if (!wrong)
        return r;
    error_set(e, ERR_INVAL, "%.200s: %s", path, wrong);
    snapshot_read_close(r);
    return NULL;
}

void snapshot_read_close(struct snapshot_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    mem_free(r->bytes);
    mem_free(r);
}

const struct snapshot_head *snapshot_read_head(const struct snapshot_reader *r)
{
    return &r->head;
}

enum err snapshot_read_age(const struct snapshot_reader *r, uint64_t *age_ms, struct error *e)
{
    char boot[BOOT_BYTES];
    uint64_t now = clock_wall_ns() / 1000000u, then = r->head.wall_ms;

    boot_name(boot);
    if (*boot && memcmp(boot, r->head.boot, sizeof(boot)) == 0) {
        now = clock_boot_ms();
        then = r->head.boot_ms;
    }
    *age_ms = now - then;
    if (then > now)
        return error_set(e, ERR_INVAL, "it is %llu ms from the future: has the clock been set?",
                         (unsigned long long)(then - now));
    return ERR_OK;
}

/* Reads a block and its bytes. 0: it is not whole. */
static int next_block(struct snapshot_reader *r)
{
    struct snapshot_block *b = &r->block;

    mem_free(r->bytes);
    r->bytes = NULL;
    if (!get(r, b, sizeof(*b)) || b->mark != SNAPSHOT_BLOCK || b->bytes > SNAPSHOT_MOST_BYTES ||
        b->bytes > r->left || b->name_len > b->bytes || !(r->bytes = mem_alloc(b->bytes)) ||
        !get(r, r->bytes, b->bytes) ||
        b->sum != (hash_murmur64(b, offsetof(struct snapshot_block, sum)) ^
                   hash_murmur64(r->bytes, b->bytes)))
        return 0;
    r->at = b->name_len;
    r->unread = b->n_items;
    return 1;
}

/* The extras behind a record that leaves so many bytes of its block. */
static int take_extras(struct snapshot_entry *out, const char *at, uint32_t left)
{
    uint32_t n = 0;

    out->extra = NULL;
    out->extra_len = 0;
    if (!(out->record.flags & SNAPSHOT_EXTRA))
        return 1;
    if (left < sizeof(n))
        return 0;
    memcpy(&n, at, sizeof(n));
    if (!n || n > left - sizeof(n))
        return 0;
    out->extra = at + sizeof(n);
    out->extra_len = n;
    return 1;
}

static int take_record(struct snapshot_reader *r, struct snapshot_entry *out)
{
    uint32_t left = r->block.bytes - r->at;
    struct snapshot_record *rec = &out->record;

    if (left < sizeof(*rec))
        return 0;
    memcpy(rec, r->bytes + r->at, sizeof(*rec));
    left -= (uint32_t)sizeof(*rec);
    if (rec->key_len > left || rec->value_len > left - rec->key_len)
        return 0;
    out->block = &r->block;
    out->group = r->bytes;
    out->key = r->bytes + r->at + sizeof(*rec);
    out->value = out->key + rec->key_len;
    if (!take_extras(out, out->value + rec->value_len, left - rec->key_len - rec->value_len))
        return 0;
    r->at += (uint32_t)sizeof(*rec) + rec->key_len + rec->value_len;
    r->at += out->extra_len ? (uint32_t)sizeof(uint32_t) + out->extra_len : 0;
    r->unread--;
    r->items++;
    return 1;
}

/* The last block says how many items there are. */
static int is_the_end(const struct snapshot_reader *r)
{
    uint64_t items;

    if (r->block.n_items || r->block.bytes - r->block.name_len != sizeof(items))
        return 0;
    memcpy(&items, r->bytes + r->block.name_len, sizeof(items));
    return items == r->items;
}

int snapshot_read_next(struct snapshot_reader *r, struct snapshot_entry *out, struct error *e)
{
    while (!r->unread) {
        if (!next_block(r)) {
            error_set(e, ERR_INVAL, "the file is cut or damaged behind %llu items",
                      (unsigned long long)r->items);
            return -1;
        }
        if (is_the_end(r))
            return 0;
    }
    if (take_record(r, out))
        return 1;
    error_set(e, ERR_INVAL, "a block is damaged behind %llu items", (unsigned long long)r->items);
    return -1;
}

enum err snapshot_read_spoil(const char *path, struct error *e)
{
    struct snapshot_head h;
    int fd = open(path, O_RDWR | O_CLOEXEC), done = 0;

    if (fd >= 0 && pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h)) {
        h.clean = 0;
        h.sum = hash_murmur64(&h, offsetof(struct snapshot_head, sum));
        done = pwrite(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) && fdatasync(fd) == 0;
    }
    if (!done)
        error_set(e, ERR_INVAL, "%.200s cannot be marked as not clean: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return done ? ERR_OK : e->code;
}
