/* SPDX-License-Identifier: MIT */
/* reach.h - which addresses an exchange may reach, if it may reach public ones only.
 *
 * A getter that puts a part of a key into a host name can be made to ask services of the inner
 * network. So an exchange can be kept to public addresses. What counts as not public is in reach.c,
 * from the registries of special-purpose addresses (RFC 6890) and of multicast.
 *
 * Pure functions, any thread. */
#ifndef REACH_H
#define REACH_H

#include "base/address.h"

/* Whether an address is public, or in one of the networks of `allow`, a list that
 * networks_parse() takes. */
int reach_allows(const char *allow, const struct address *a);

#endif
