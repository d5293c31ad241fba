/* SPDX-License-Identifier: MIT */
/* networks.h - sets of networks, such as those from which changes are taken.
 *
 * Any thread; a set belongs to its caller. */
#ifndef NETWORKS_H
#define NETWORKS_H

#include <stddef.h>

#include "base/address.h"
#include "base/err.h"

struct network {
    struct address address; /* the bits behind the first are 0 */
    unsigned bits;          /* how many of the first bits count, of 128 */
};

struct networks {
    struct network *list; /* owned */
    size_t n;
};

/* Reads a list such as "10.0.0.0/8, 192.168.1.7, fd00::/8". An address without a slash is a network
 * of one. The caller gives an empty set, and frees it after an error, too. INVAL: the message has
 * the entry that is wrong. */
enum err networks_parse(struct networks *set, const char *text, struct error *e);

/* Adds one entry, of n bytes. INVAL as networks_parse(). */
enum err networks_add(struct networks *set, const char *text, size_t n, struct error *e);

void networks_deinit(struct networks *set);

int networks_have(const struct networks *set, const struct address *a);

#endif
