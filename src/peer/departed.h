/* SPDX-License-Identifier: MIT */
/* departed.h - which peers have left the list, and when. The last DEPARTED_MOST are remembered.
 *
 * One thread at a time; all zero bytes is empty. */
#ifndef DEPARTED_H
#define DEPARTED_H

#include <stddef.h>
#include <stdint.h>

enum { DEPARTED_MOST = 64 };

struct departed {
    struct {
        char *url;
        uint64_t at_ms;
    } list[DEPARTED_MOST];
    size_t next;
};

void departed_deinit(struct departed *d);
void departed_note(struct departed *d, const char *url, uint64_t now_ms);

/* When the peer of that URL has last left; 0: it is not known to have been there. */
uint64_t departed_ms(const struct departed *d, const char *url);

#endif
