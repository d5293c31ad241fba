/* SPDX-License-Identifier: MIT */
/* result.h - how a get or a flight ends: an item from a source, or an error.
 *
 * A plain struct; whoever holds it owns its reference to the item. Any thread. */
#ifndef RESULT_H
#define RESULT_H

#include <stdint.h>

#include "base/err.h"
#include "cache/item.h"
#include "cache/source.h"

struct result {
    struct item *item;  /* NULL: err says why */
    enum source source; /* when item is set */
    uint64_t
        expires_ms;    /* of NOTFOUND: clock_ms() time until which it may be kept; 0: not at all */
    double minute_qps; /* SOURCE_PEER: the key's gets a minute, as the owner tells; 0: not told */
    struct error err;
};

/* Makes *to a copy of *from, with a reference of its own. *to held nothing. */
static inline void result_copy(struct result *to, const struct result *from)
{
    *to = *from;
    if (to->item)
        item_ref(to->item);
}

#endif
