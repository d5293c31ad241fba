/* SPDX-License-Identifier: MIT */
/* url.h - the scheme, host and port of a URL. Pure functions, any thread. */
#ifndef URL_H
#define URL_H

#include <stddef.h>

#include "base/err.h"

enum url_scheme {
    URL_OTHER, /* another scheme, or no URL at all */
    URL_HTTP,
    URL_HTTPS
};

/* The URL's scheme, in upper or lower case. *host is where host and port begin, NULL for URL_OTHER.
 */
enum url_scheme url_scheme(const char *url, const char **host);

/* The first byte that cannot belong to host and port: the end, a slash, '?', '#', '@', or a byte
 * that is not printable ASCII. */
const char *url_host_end(const char *host);

/* The host of a URL that url_check_peer() takes, of *n bytes, without brackets and port. */
const char *url_host(const char *url, size_t *n);

/* The URL behind http:// or https://; all of it when there is no such scheme. */
const char *url_without_scheme(const char *url);

/* Whether the URL may be that of a peer: http or https, a host name or an address, perhaps a port
 * from 1 to 65535, and nothing behind them. An IPv6 address stands in brackets. INVAL: no, and the
 * message has the URL and what is wrong. */
enum err url_check_peer(const char *url, struct error *e);

#endif
