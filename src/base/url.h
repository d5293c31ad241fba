/* SPDX-License-Identifier: MIT */
/* url.h - the parts of a URL that we ask for. Pure functions, any thread. */
#ifndef URL_H
#define URL_H

enum url_scheme {
    URL_OTHER, /* none of the two: perhaps no URL at all */
    URL_HTTP,
    URL_HTTPS
};

/* Which scheme it has, in any case; *host is where host and port begin, NULL for URL_OTHER. */
enum url_scheme url_scheme(const char *url, const char **host);

/* The first byte that cannot be of a host and port: the end, a slash, '?', '#', '@', or what is no
 * printable ASCII. */
const char *url_host_end(const char *host);

#endif
