/* SPDX-License-Identifier: MIT */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/boot.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cache/changelog.h"

/* The file, in the byte order of the machine: it is of no use to another. */
struct image {
    char magic[8];
    char boot[BOOT_BYTES]; /* of the machine, when the file was made; "": unknown */
    uint64_t began_ms;
    struct changelog_notes notes;
};

#define MAGIC "GCNOTES1" /* eight bytes, without the NUL */

struct journal {
    int fd;
    struct image *image;
};

static int is_of_this_start(const struct image *i)
{
    char boot[BOOT_BYTES];

    boot_name(boot);
    return *boot && memcmp(i->magic, MAGIC, sizeof(i->magic)) == 0 &&
           memcmp(i->boot, boot, sizeof(boot)) == 0 && i->began_ms <= clock_boot_ms();
}

static void make_anew(struct image *i)
{
    memset(i, 0, sizeof(*i));
    memcpy(i->magic, MAGIC, sizeof(i->magic));
    boot_name(i->boot);
    i->began_ms = clock_boot_ms();
}

static enum err open_and_lock(const char *path, int *fd, struct error *e)
{
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return error_set(e, ERR_INVAL, "snapshot_path: %.200s: %s", path, strerror(errno));
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
        return error_set(e, ERR_INVAL, "snapshot_path: %.200s: %s", path,
                         errno == EWOULDBLOCK ? "another node has it" : strerror(errno));
    return ERR_OK;
}

static enum err map(const char *path, int fd, struct image **out, struct error *e)
{
    int failed = posix_fallocate(fd, 0, sizeof(struct image));
    void *at;

    if (failed)
        return error_set(e, ERR_INVAL, "snapshot_path: %.200s: %s", path, strerror(failed));
    at = mmap(NULL, sizeof(struct image), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return error_set(e, ERR_INVAL, "snapshot_path: %.200s: %s", path, strerror(errno));
    *out = at;
    return ERR_OK;
}

struct journal *journal_open(const char *path, struct error *e)
{
    struct journal *j = mem_zalloc(sizeof(*j));

    if (open_and_lock(path, &j->fd, e) || map(path, j->fd, &j->image, e)) {
        journal_close(j);
        return NULL;
    }
    if (!is_of_this_start(j->image))
        make_anew(j->image);
    return j;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    if (j->image)
        munmap(j->image, sizeof(*j->image));
    if (j->fd >= 0)
        close(j->fd);
    mem_free(j);
}

struct changelog_notes *journal_notes(struct journal *j)
{
    return &j->image->notes;
}

uint64_t journal_began_ms(const struct journal *j)
{
    return j->image->began_ms;
}
