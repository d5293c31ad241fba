/* SPDX-License-Identifier: MIT */
/* accept.h - which codings a client takes: Accept-Encoding (RFC 9110, 12.5.3).
 *
 * Pure functions, any thread. */
#ifndef ACCEPT_H
#define ACCEPT_H

/* Whether the header's value allows the coding, and likes it no less than the bytes as they are. A
 * name that the list lacks is allowed by "*" alone. list may be NULL: no header, so 0. */
int accept_coding(const char *list, const char *coding);

#endif
