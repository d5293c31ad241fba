/* SPDX-License-Identifier: MIT */
#include "cache/ghosts.h"

#include <string.h>

#include "base/mem.h"

enum {
    CELLS = 4,
    CELL_BITS = 16,
    MARK_BITS = 12,
    MARK = (1 << MARK_BITS) - 1,
    TWO_ITEMS = 3, /* ghosts for so many */
    FIT_MORE = 2,
    FIT_LESS = 4
};

void ghosts_deinit(struct ghosts *g)
{
    mem_free(g->rows);
    g->rows = NULL;
    g->n = 0;
}

void ghosts_fit(struct ghosts *g, size_t items)
{
    size_t n = items * TWO_ITEMS / 2 / CELLS + 1;

    if (n <= (size_t)g->n * FIT_MORE && n >= (size_t)g->n / FIT_LESS)
        return;
    ghosts_deinit(g);
    if (n > UINT32_MAX)
        return;
    g->rows = mem_alloc(n * sizeof(*g->rows));
    if (!g->rows)
        return;
    memset(g->rows, 0, n * sizeof(*g->rows));
    g->n = (uint32_t)n;
}

/* The high bits of the hash choose the row, the low bits are in the cell. */
static uint64_t *row(const struct ghosts *g, uint32_t hash)
{
    return &g->rows[(uint64_t)hash * g->n >> 32];
}

/* Different in keys of a row whose hashes differ in any bits. */
static unsigned mark(uint32_t hash)
{
    return hash * UINT32_C(2654435769) >> (32 - MARK_BITS);
}

/* The bits by which the key's cell is shifted in its row; CELLS * CELL_BITS: it has none. An empty
 * cell is 0, and a ghost has a use at least. */
static unsigned find(uint64_t cells, uint32_t hash)
{
    unsigned at;

    for (at = 0; at < CELLS * CELL_BITS; at += CELL_BITS) {
        if ((cells >> at & MARK) == mark(hash) && cells >> at >> MARK_BITS & 0xf)
            break;
    }
    return at;
}

void ghosts_note(struct ghosts *g, uint32_t hash, unsigned uses)
{
    uint64_t cell = (uint64_t)uses << MARK_BITS | mark(hash), *cells, newer;
    unsigned at;

    if (!g->rows || !uses)
        return;
    cells = row(g, hash);
    at = find(*cells, hash);
    if (at >= (CELLS - 1) * CELL_BITS) {
        *cells = *cells << CELL_BITS | cell;
        return;
    }
    newer = *cells & ((UINT64_C(1) << at) - 1); /* they move up to its place */
    *cells = *cells >> at >> CELL_BITS << at << CELL_BITS | newer << CELL_BITS | cell;
}

unsigned ghosts_uses(const struct ghosts *g, uint32_t hash)
{
    uint64_t cells = g->rows ? *row(g, hash) : 0;
    unsigned at = find(cells, hash);

    return at < CELLS * CELL_BITS ? (unsigned)(cells >> at >> MARK_BITS & 0xf) : 0;
}

size_t ghosts_bytes(const struct ghosts *g)
{
    return g->rows ? mem_cost(g->rows) : 0;
}
