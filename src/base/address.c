/* SPDX-License-Identifier: MIT */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { V4_AT = 12 /* where the bytes of IPv4 begin */ };

static const unsigned char v4_prefix[V4_AT] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static int is_v4(const struct address *a)
{
    return memcmp(a->bytes, v4_prefix, V4_AT) == 0;
}

static void set_v4(struct address *out, const void *bytes)
{
    memcpy(out->bytes, v4_prefix, V4_AT);
    memcpy(out->bytes + V4_AT, bytes, sizeof(out->bytes) - V4_AT);
}

int address_of(const struct sockaddr *from, struct address *out)
{
    if (from->sa_family == AF_INET) {
        set_v4(out, &((const struct sockaddr_in *)(const void *)from)->sin_addr);
        return 1;
    }
    if (from->sa_family != AF_INET6)
        return 0;
    memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr,
           sizeof(out->bytes));
    return 1;
}

int address_parse(const char *text, size_t n, struct address *out)
{
    char copy[INET6_ADDRSTRLEN];
    struct in_addr v4;

    if (n >= sizeof(copy) || memchr(text, '\0', n))
        return 0;
    memcpy(copy, text, n);
    copy[n] = '\0';
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        set_v4(out, &v4);
        return 1;
    }
    return inet_pton(AF_INET6, copy, out->bytes) == 1;
}

int address_is_loopback(const char *host_port)
{
    return strncmp(host_port, "127.", 4) == 0 || strncmp(host_port, "[::1]:", 6) == 0;
}

int address_equal(const struct address *a, const struct address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

const char *address_put(const struct address *a, char out[ADDRESS_TEXT])
{
    if (is_v4(a))
        inet_ntop(AF_INET, a->bytes + V4_AT, out, ADDRESS_TEXT);
    else
        inet_ntop(AF_INET6, a->bytes, out, ADDRESS_TEXT);
    return out;
}

int address_clear_behind(struct address *a, unsigned bits)
{
    unsigned i, had = 0;

    for (i = 0; i < sizeof(a->bytes); i++) {
        unsigned kept = bits > i * 8 ? bits - i * 8 : 0;
        unsigned mask = kept >= 8 ? 0xff : 0xff & ~(0xffu >> kept);

        had |= a->bytes[i] & ~mask & 0xff;
        a->bytes[i] &= (unsigned char)mask;
    }
    return had != 0;
}
