/* SPDX-License-Identifier: MIT */
#include "http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/num.h"

#define UNIX_PREFIX "unix:"

enum { BACKLOG = 1024, HOST_CAP = 256, PORT_CAP = 8, PORT_DIGITS = 5 };

static int is_port(const char *s)
{
    size_t n = strlen(s);
    uint64_t port;

    return n <= PORT_DIGITS && num_parse_u64(s, n, UINT16_MAX, &port);
}

enum err listen_split(const char *address, char *host, size_t host_cap, char *port, size_t port_cap,
                      struct error *e)
{
    const char *colon = strrchr(address, ':'), *from = address;
    size_t n = colon ? (size_t)(colon - address) : 0;
    int bracketed = n >= 2 && address[0] == '[' && address[n - 1] == ']';

    if (bracketed) {
        from++;
        n -= 2;
    }
    if (!colon || !is_port(colon + 1) || n >= host_cap ||
        (!bracketed && memchr(address, ':', n) != NULL))
        return error_set(e, ERR_INVAL,
                         "\"%s\" is not an address of the form host:port, such as "
                         "127.0.0.1:8080 or [::1]:8080",
                         address);
    memcpy(host, from, n);
    host[n] = '\0';
    snprintf(port, port_cap, "%s", colon + 1);
    return ERR_OK;
}

/* "unix:PATH"; an abstract name has no NUL at its end, and '@' in place of its first byte. */
static void write_unix(const struct sockaddr_un *at, socklen_t len, char *bound, size_t cap)
{
    size_t path_at = offsetof(struct sockaddr_un, sun_path);
    size_t n = len > path_at ? len - path_at : 0;
    int abstract = n > 1 && !at->sun_path[0];

    snprintf(bound, cap, UNIX_PREFIX "%s%.*s", abstract ? "@" : "", (int)(n - (size_t)abstract),
             at->sun_path + abstract);
}

static void write_bound(int fd, char *bound, size_t cap)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    char host[HOST_CAP], port[PORT_CAP];

    *bound = '\0';
    if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0)
        return;
    if (addr.ss_family == AF_UNIX)
        write_unix((const struct sockaddr_un *)&addr, len, bound, cap);
    else if (getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port, sizeof(port),
                         NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(bound, cap, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* A bound socket. If it is bound to every address of IPv6, it takes IPv4, too. */
static int bind_one(const struct addrinfo *ai)
{
    const int on = 1, off = 0;
    int saved,
        fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* Every address. The address of IPv6 takes both families, unless the machine lacks IPv6. */
static struct addrinfo *lookup(const char *host, const char *port, int family, int *rc)
{
    const struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;

    *rc = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    return *rc ? NULL : found;
}

static int bind_first(const char *host, const char *port, int family, int *rc)
{
    struct addrinfo *found = lookup(host, port, family, rc), *ai;
    int saved, fd = -1;

    for (ai = found; ai && fd < 0; ai = ai->ai_next)
        fd = bind_one(ai);
    saved = errno;
    if (found)
        freeaddrinfo(found);
    errno = saved;
    return fd;
}

/* Binds; `port` may differ from the address's. */
static int bind_to(const char *what, const char *address, const char *other_port, struct error *e)
{
    char host[HOST_CAP], port[PORT_CAP];
    int rc = 0, fd = -1, every;

    if (listen_split(address, host, sizeof(host), port, sizeof(port), e))
        return -1;
    every = !*host || strcmp(host, "*") == 0;
    if (every) {
        fd = bind_first("", other_port ? other_port : port, AF_INET6, &rc);
        *host = '\0';
    }
    if (fd < 0 && !(every && !rc && errno == EADDRINUSE))
        fd = bind_first(host, other_port ? other_port : port, every ? AF_INET : AF_UNSPEC, &rc);
    if (fd < 0)
        error_set(e, ERR_INVAL, "%s %s: %s", what, address,
                  rc ? gai_strerror(rc) : strerror(errno));
    return fd;
}

/* --- UNIX sockets --- */

/* The path of a UNIX socket, or NULL. */
static const char *path_of(const char *address)
{
    size_t n = strlen(UNIX_PREFIX);

    return strncmp(address, UNIX_PREFIX, n) == 0 ? address + n : NULL;
}

int listen_is_unix(const char *address)
{
    return path_of(address) != NULL;
}

static enum err unix_address(const char *what, const char *address, struct sockaddr_un *out,
                             struct error *e)
{
    const char *path = path_of(address);
    size_t n = strlen(path), most = sizeof(out->sun_path) - 1;

    if (!n || n > most)
        return error_set(e, ERR_INVAL,
                         "%s %.150s: the path of a UNIX socket has %zu bytes, and must have 1 to "
                         "%zu",
                         what, address, n, most);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out->sun_path, path, n);
    return ERR_OK;
}

static int unix_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Removes a socket that nobody listens on, as a process leaves it behind when it is killed. */
static void remove_stale(const struct sockaddr_un *at)
{
    struct stat st;
    int fd, refused;

    if (lstat(at->sun_path, &st) || !S_ISSOCK(st.st_mode) || (fd = unix_socket()) < 0)
        return;
    refused = connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 && errno == ECONNREFUSED;
    close(fd);
    if (refused)
        unlink(at->sun_path);
}

static int bind_unix(const char *what, const char *address, struct error *e)
{
    struct sockaddr_un at;
    int fd;

    if (unix_address(what, address, &at, e))
        return -1;
    remove_stale(&at);
    fd = unix_socket();
    if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    error_set(e, ERR_INVAL, "%s %s: %s", what, address, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

void listen_remove(const char *address)
{
    struct sockaddr_un at;
    struct error e;

    if (path_of(address) && !unix_address("", address, &at, &e))
        remove_stale(&at);
}

/* --- all --- */

int listen_on(const char *what, const char *address, char *bound, size_t cap, struct error *e)
{
    int is_unix = path_of(address) != NULL;
    int fd = is_unix ? bind_unix(what, address, e) : bind_to(what, address, NULL, e);

    if (fd >= 0 && listen(fd, BACKLOG)) {
        error_set(e, ERR_INVAL, "%s %s: %s", what, address, strerror(errno));
        close(fd);
        fd = -1;
    }
    if (fd >= 0 && is_unix)
        snprintf(bound, cap, "%s", address);
    else if (fd >= 0)
        write_bound(fd, bound, cap);
    return fd;
}

static int option_of(int fd, int which)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, which, &value, &len) == 0 ? value : -1;
}

enum err listen_inspect(const char *what, int fd, char *bound, size_t cap, struct error *e)
{
    int family = option_of(fd, SO_DOMAIN);

    if (option_of(fd, SO_TYPE) != SOCK_STREAM || option_of(fd, SO_ACCEPTCONN) != 1 ||
        (family != AF_INET && family != AF_INET6 && family != AF_UNIX))
        return error_set(e, ERR_INVAL,
                         "%s: descriptor %d must be a listening stream socket of TCP or UNIX", what,
                         fd);
    write_bound(fd, bound, cap);
    return ERR_OK;
}

int listen_is_at(const char *address, const char *bound)
{
    char host[HOST_CAP], port[PORT_CAP], at[HOST_CAP], at_port[PORT_CAP];
    struct error e;

    if (path_of(address) || path_of(bound))
        return strcmp(address, bound) == 0;
    if (listen_split(address, host, sizeof(host), port, sizeof(port), &e) ||
        listen_split(bound, at, sizeof(at), at_port, sizeof(at_port), &e) ||
        strcmp(port, at_port) != 0)
        return 0;
    if (!*host || strcmp(host, "*") == 0)
        return strcmp(at, "::") == 0 || strcmp(at, "0.0.0.0") == 0;
    return strcmp(host, at) == 0;
}

enum err listen_check(const char *what, const char *address, struct error *e)
{
    struct sockaddr_un at;
    int fd;

    if (path_of(address))
        return unix_address(what, address, &at, e);
    fd = bind_to(what, address, "0", e);
    if (fd < 0)
        return e->code;
    close(fd);
    return ERR_OK;
}
