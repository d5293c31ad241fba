/* SPDX-License-Identifier: MIT */
#include "cache/sketch.h"

#include <stddef.h>

#include "base/mem.h"

enum { ROWS = 3, ROW_BITS = 11, WIDTH = 1 << ROW_BITS, CELLS = ROWS * WIDTH };

struct sketch {
    uint64_t halved_ms; /* when counts were halved last, a multiple of SKETCH_HALF_MS */
    uint64_t passed_ms; /* since then, by the last tick */
    uint64_t sum;       /* of all cells */
    uint16_t cells[CELLS];
};

struct sketch *sketch_new(uint64_t now_ms)
{
    struct sketch *s = mem_zalloc(sizeof(*s));

    s->halved_ms = now_ms;
    return s;
}

void sketch_free(struct sketch *s)
{
    mem_free(s);
}

/* A key's cells. Each row uses 11 bits of its own; only one of the 32 bits serves two rows. */
struct at {
    unsigned a, b, c;
};

static struct at cells_of(uint32_t hash)
{
    return (struct at){
        hash & (WIDTH - 1),
        WIDTH + (hash >> ROW_BITS & (WIDTH - 1)),
        2 * WIDTH + (hash >> (32 - ROW_BITS)),
    };
}

static uint16_t least_of(const struct sketch *s, struct at at)
{
    uint16_t least = s->cells[at.a];

    least = s->cells[at.b] < least ? s->cells[at.b] : least;
    return s->cells[at.c] < least ? s->cells[at.c] : least;
}

/* A cell above the least one was raised by other keys, and stays as it is. */
static unsigned raise_to(uint16_t *cell, uint16_t n)
{
    unsigned raised = *cell < n;

    *cell = raised ? n : *cell;
    return raised;
}

void sketch_add(struct sketch *s, uint32_t hash)
{
    struct at at = cells_of(hash);
    uint16_t least = least_of(s, at), n = (uint16_t)(least + 1);

    if (least == SKETCH_MAX)
        return;
    s->sum +=
        raise_to(&s->cells[at.a], n) + raise_to(&s->cells[at.b], n) + raise_to(&s->cells[at.c], n);
}

static void halve(struct sketch *s, uint64_t times)
{
    unsigned shift = times < 16 ? (unsigned)times : 16;
    size_t i;

    s->sum = 0;
    for (i = 0; i < CELLS; i++) {
        s->cells[i] = (uint16_t)((unsigned)s->cells[i] >> shift);
        s->sum += s->cells[i];
    }
}

void sketch_tick(struct sketch *s, uint64_t now_ms)
{
    uint64_t passed = now_ms > s->halved_ms ? now_ms - s->halved_ms : 0;

    if (passed >= SKETCH_HALF_MS) {
        halve(s, passed / SKETCH_HALF_MS);
        s->halved_ms += passed - passed % SKETCH_HALF_MS;
    }
    s->passed_ms = passed % SKETCH_HALF_MS;
}

/* At a steady rate r, halved every H, the count just after a halving is r * H: the sum of r * H /
 * 2^i. */
static double a_minute(const struct sketch *s, double n)
{
    return n * 60000 / (double)(SKETCH_HALF_MS + s->passed_ms);
}

double sketch_rate(const struct sketch *s, uint32_t hash)
{
    return a_minute(s, least_of(s, cells_of(hash)));
}

double sketch_mean(const struct sketch *s)
{
    return a_minute(s, (double)s->sum / (double)CELLS);
}
