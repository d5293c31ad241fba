/* SPDX-License-Identifier: MIT */
#include "net/reach.h"

#include <string.h>

#include "base/networks.h"

/* No host of the internet has an address in these. */
static const char not_public[] =
    "0.0.0.0/8,"       /* this network */
    "10.0.0.0/8,"      /* private */
    "100.64.0.0/10,"   /* shared, behind a provider's NAT */
    "127.0.0.0/8,"     /* loopback */
    "169.254.0.0/16,"  /* link-local; clouds have their metadata at 169.254.169.254 */
    "172.16.0.0/12,"   /* private */
    "192.0.0.0/24,"    /* protocol assignments */
    "192.0.2.0/24,"    /* documentation, also the next two */
    "198.51.100.0/24," /* */
    "203.0.113.0/24,"  /* */
    "192.168.0.0/16,"  /* private */
    "198.18.0.0/15,"   /* benchmarks */
    "224.0.0.0/3,"     /* multicast, reserved, broadcast */
    "::/96,"           /* unspecified, loopback, IPv4-compatible */
    "64:ff9b:1::/48,"  /* local translation */
    "100::/64,"        /* discard */
    "2001::/23,"       /* protocol assignments, Teredo */
    "2001:db8::/32,"   /* documentation */
    "fc00::/7,"        /* unique local */
    "fe80::/10,"       /* link-local */
    "fec0::/10,"       /* site-local */
    "ff00::/8";        /* multicast */

/* An address of IPv6 that a gateway takes for one of IPv4, whose bytes begin at `at`. */
struct embedded {
    const char *network;
    size_t at;
};
static const struct embedded embeddings[] = {
    {"64:ff9b::/96", 12}, /* NAT64, RFC 6052 */
    {"2002::/16", 2},     /* 6to4, RFC 3056 */
};

static int is_in(const char *list, const struct address *a)
{
    struct networks set = {NULL, 0};
    struct error e;
    int found = !networks_parse(&set, list, &e) && networks_have(&set, a);

    networks_deinit(&set);
    return found;
}

/* The address of IPv4 within a, or a. */
static struct address inner(const struct address *a)
{
    struct address v4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}};
    size_t i;

    for (i = 0; i < sizeof(embeddings) / sizeof(embeddings[0]); i++) {
        if (is_in(embeddings[i].network, a)) {
            memcpy(v4.bytes + 12, a->bytes + embeddings[i].at, 4);
            return v4;
        }
    }
    return *a;
}

int reach_allows(const char *allow, const struct address *a)
{
    const struct address real = inner(a);

    return is_in(allow, a) || !is_in(not_public, &real);
}
