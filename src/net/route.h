/* SPDX-License-Identifier: MIT */
/* route.h - the address of this host that another host sees. */
#ifndef ROUTE_H
#define ROUTE_H

#include "base/address.h"
#include "base/err.h"

enum { ROUTE_TEXT = ADDRESS_TEXT + 2 };

/* Writes the address of the interface from which packets to `host` leave, as in a URL: IPv6 in
 * brackets. Sends no packet, but looks the name up, which may take long. Any thread. PEER: the name
 * has no address, or there is no way to it. */
enum err route_from(const char *host, char out[ROUTE_TEXT], struct error *e);

#endif
