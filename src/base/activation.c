/* SPDX-License-Identifier: MIT */
#include "base/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

/* sd_listen_fds(3): the first descriptor, and the longest name. */
enum { FIRST_FD = 3, NAME_CAP = 256 };

struct socket {
    int fd;
    char name[NAME_CAP];
};

static struct socket sockets[ACTIVATION_MAX]; /* set once, but for the descriptors */
static size_t n_sockets;

/* A number of the environment. 0: there is none. */
static enum err number_of(const char *name, uint64_t most, uint64_t *out, struct error *e)
{
    const char *text = getenv(name);

    *out = 0;
    if (text && !num_parse_u64(text, strlen(text), most, out))
        return error_set(e, ERR_INVAL, "%s is \"%.40s\", and must be a number up to %llu", name,
                         text, (unsigned long long)most);
    return ERR_OK;
}

static enum err prepare(int fd, struct error *e)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return error_set(e, ERR_INVAL, "descriptor %d of LISTEN_FDS: %s", fd, strerror(errno));
    return ERR_OK;
}

/* Copies the i-th name of a list that is separated by colons. */
static void copy_name(const char *list, size_t i, char out[NAME_CAP])
{
    size_t n;

    *out = '\0';
    while (list && i--) {
        list = strchr(list, ':');
        list = list ? list + 1 : NULL;
    }
    n = list ? strcspn(list, ":") : 0;
    if (n < NAME_CAP)
        snprintf(out, NAME_CAP, "%.*s", (int)n, list ? list : "");
}

static enum err take(struct error *e)
{
    const char *names = getenv("LISTEN_FDNAMES");
    uint64_t pid, count;
    size_t i;

    if (number_of("LISTEN_PID", INT32_MAX, &pid, e))
        return e->code;
    if (pid != (uint64_t)getpid())
        return ERR_OK;
    if (number_of("LISTEN_FDS", ACTIVATION_MAX, &count, e))
        return e->code;
    for (i = 0; i < count; i++) {
        struct socket *s = &sockets[i];

        s->fd = FIRST_FD + (int)i;
        copy_name(names, i, s->name);
        if (prepare(s->fd, e))
            return e->code;
    }
    n_sockets = (size_t)count;
    return ERR_OK;
}

enum err activation_take(struct error *e)
{
    enum err failed = take(e);

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return failed;
}

size_t activation_count(void)
{
    return n_sockets;
}

const char *activation_name(size_t i)
{
    return sockets[i].name;
}

int activation_fd(size_t i)
{
    return sockets[i].fd;
}

int activation_give(size_t i)
{
    int fd = sockets[i].fd;

    sockets[i].fd = -1;
    return fd;
}
