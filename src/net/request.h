/* SPDX-License-Identifier: MIT */
/* request.h - checks that methods, URLs and header lines of the HTTP client have one meaning for
 * every reader.
 *
 * Pure functions, any thread. */
#ifndef REQUEST_H
#define REQUEST_H

#include <stddef.h>

#include "base/err.h"

/* Each returns ERR_OK, or INVAL and fills e: what is wrong, and where. e may be NULL. */

/* http:// or https://, a host, no space and no control byte. */
enum err request_check_url(const char *url, struct error *e);

/* A token; HEAD takes no body. */
enum err request_check_method(const char *method, int has_body, struct error *e);

/* "Name: value" without control bytes; not Content-Length or Transfer-Encoding. `at` is its place,
 * from 0, for the message. */
enum err request_check_header(const char *line, size_t at, struct error *e);

/* 1 if a server may carry out a request of this method twice (RFC 9110, 9.2.2). */
int request_is_idempotent(const char *method);

#endif
