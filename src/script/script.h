/* SPDX-License-Identifier: MIT */
/* script.h - the text of a node script, read once and run in every VM.
 *
 * All VMs of one generation run the same bytes, even a VM that replaces another after the file was
 * changed. Modules that the script requires are then read again. Its text does not change; its
 * maker frees it. One thread at a time. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stddef.h>

#include "base/err.h"

enum { SCRIPT_MAX_BYTES = 16 << 20 };

struct script {
    char *path; /* owned, like text */
    char *text;
    size_t len;
    char *failure; /* the whole message of the last VM that could not run it; NULL: none, or a
                    * struct error had room for it. Owned */
};

/* Reads the file. NULL and e: it cannot be read, or has more than SCRIPT_MAX_BYTES. */
struct script *script_read(const char *path, struct error *e);
struct script *script_copy(const struct script *s);

/* Keeps a copy of a failure's whole message; NULL: there is none. */
void script_failed(struct script *s, const char *whole);

/* The whole message of e, with which the script has failed: e's own, unless that was cut. */
const char *script_message(const struct script *s, const struct error *e);

void script_free(struct script *s); /* NULL is fine */

#endif
