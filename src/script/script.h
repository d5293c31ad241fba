/* SPDX-License-Identifier: MIT */
/* script.h - the text of a node script, read once and run in every VM.
 *
 * All VMs of one generation run the same bytes, even a VM that replaces another after the file was
 * changed. Modules that the script requires are then read again. Immutable; its maker frees it. */
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

/* Reads the file. NULL and e: it cannot be read, or has more than SCRIPT_MAX_BYTES. */
struct script *script_read(const char *path, struct error *e);
struct script *script_copy(const struct script *s);
void script_free(struct script *s); /* NULL is fine */

#endif
