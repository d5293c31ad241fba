/* SPDX-License-Identifier: MIT */
/* passport.h - an identity for libcurl, with the TLS sessions that were made with it.
 *
 * libcurl gets the texts of the identity, not the paths of its files: it keeps the content of a CA
 * file for a day, and takes a rewritten certificate for the old one. A resumed session is not
 * verified again, so every passport has sessions of its own.
 *
 * Counted. Any thread makes one; all else belongs to the network thread. */
#ifndef PASSPORT_H
#define PASSPORT_H

#include <curl/curl.h>

struct identity;
struct passport;

/* Takes a reference of its own to id. Returns a reference. */
struct passport *passport_new(struct identity *id);

struct passport *passport_ref(struct passport *p);
void passport_unref(struct passport *p); /* NULL is fine */

/* Gives it to a handle, with TLS 1.2 as the least, which is freed before the caller's reference. */
CURLcode passport_show(struct passport *p, CURL *c);

#endif
