/* SPDX-License-Identifier: MIT */
#include "http/answer_cache.h"

#include <microhttpd.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/item.h"
#include "http/heading.h"

enum { SLOTS = 256, SWEEP_MS = 1000 };

struct slot {
    struct answer_cache_look look;
    struct MHD_Response *response; /* a reference; NULL: empty */
    uint64_t until_ms;
};

/* Hashes of items, side by side since most gets look at nothing else here. */
struct sign {
    uint32_t kept;    /* of the slot's item; any value if the slot is empty */
    uint32_t refused; /* of the last refused item */
};

struct kept {
    struct sign signs[SLOTS];
    struct slot slots[SLOTS];
    uint64_t sweep_ms; /* time of the next sweep; 0: all slots are empty */
};

static _Thread_local struct kept *mine; /* made at its first use */

static unsigned place_of(const struct answer_cache_look *look)
{
    return (look->item->hash ^ look->how) % SLOTS;
}

static void drop(struct slot *s)
{
    if (s->response)
        MHD_destroy_response(s->response);
    s->response = NULL;
}

/* libmicrohttpd would compute it for each request. A value may have a date of its own, and most
 * answers have one by now. Returns for how many milliseconds it is right. */
static uint64_t add_date(struct MHD_Response *r)
{
    uint64_t now_ms = clock_wall_ns() / 1000000;
    char text[HEADING_DATE];

    if (!MHD_get_response_header(r, "Date")) {
        heading_print_date((int64_t)(now_ms / 1000), text);
        MHD_add_response_header(r, "Date", text);
    }
    return 1000 - now_ms % 1000;
}

struct MHD_Response *answer_cache_find(const struct answer_cache_look *look, uint64_t now_ms)
{
    unsigned place = place_of(look);
    const struct slot *s;

    if (!mine || mine->signs[place].kept != look->item->hash)
        return NULL;
    s = &mine->slots[place];
    return s->look.item == look->item && s->look.type == look->type && s->look.how == look->how &&
                   s->until_ms > now_ms
               ? s->response
               : NULL;
}

int answer_cache_wants(const struct answer_cache_look *look)
{
    struct sign *sign;
    uint32_t hash = look->item->hash;
    int wanted;

    if (!mine)
        mine = mem_zalloc(sizeof(*mine));
    sign = &mine->signs[place_of(look)];
    wanted = sign->refused == hash;
    sign->refused = hash;
    return wanted;
}

void answer_cache_keep(const struct answer_cache_look *look, struct MHD_Response *r,
                       uint64_t now_ms, uint64_t until_ms)
{
    unsigned place = place_of(look);
    struct slot *s = &mine->slots[place];
    uint64_t date_ms;

    mine->signs[place].kept = look->item->hash;
    drop(s);
    s->look = *look;
    s->response = r;
    date_ms = add_date(r);
    s->until_ms = now_ms + date_ms < until_ms ? now_ms + date_ms : until_ms;
    if (!mine->sweep_ms)
        mine->sweep_ms = now_ms + SWEEP_MS;
}

void answer_cache_sweep(uint64_t now_ms)
{
    int i, left = 0;

    if (now_ms < answer_cache_due_ms())
        return;
    for (i = 0; i < SLOTS; i++) {
        if (mine->slots[i].until_ms <= now_ms)
            drop(&mine->slots[i]);
        left |= mine->slots[i].response != NULL;
    }
    mine->sweep_ms = left ? now_ms + SWEEP_MS : 0;
}

uint64_t answer_cache_due_ms(void)
{
    return mine && mine->sweep_ms ? mine->sweep_ms : UINT64_MAX;
}

void answer_cache_deinit(void)
{
    int i;

    for (i = 0; mine && i < SLOTS; i++)
        drop(&mine->slots[i]);
    mem_free(mine);
    mine = NULL;
}
