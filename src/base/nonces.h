/* SPDX-License-Identifier: MIT */
/* nonces.h - remembers for a time which numbers were used, so that a message is not taken twice.
 *
 * It takes 32 to 64 bytes for each number that it remembers. Any thread. */
#ifndef NONCES_H
#define NONCES_H

#include <stddef.h>
#include <stdint.h>

enum { NONCE_BYTES = 16 };

struct nonces;

/* At most `most` numbers are remembered, each for keep_ms. */
struct nonces *nonces_new(size_t most, uint64_t keep_ms);
void nonces_free(struct nonces *ns); /* NULL is fine */

enum nonces_word {
    NONCES_NEW,  /* it is remembered from now on */
    NONCES_USED, /* it was remembered */
    NONCES_FULL  /* there are too many: it is unknown, and not remembered */
};

/* 63 bits of its two halves together count: random numbers are told apart. */
enum nonces_word nonces_use(struct nonces *ns, const unsigned char nonce[NONCE_BYTES],
                            uint64_t now_ms);

#endif
