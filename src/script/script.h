/* SPDX-License-Identifier: MIT */
/* script.h - the text of a node script, read once and run in every VM.
 *
 * Every VM of one generation runs the same bytes, also a VM that replaces another long after the
 * file was changed. But modules that the script requires are read again then. Immutable; its maker
 * frees it. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stddef.h>

#include "base/err.h"

enum { SCRIPT_MAX_BYTES = 16 << 20 };

struct script {
    char *path; /* owned, like text */
    char *text;
    size_t len;
};

/* Reads the file. NULL and e: it cannot be read, or is over SCRIPT_MAX_BYTES. */
struct script *script_read(const char *path, struct error *e);
struct script *script_copy(const struct script *s);
void script_free(struct script *s); /* NULL is fine */

#endif
