/* SPDX-License-Identifier: MIT */
/* fuzz.h - the common rig of the fuzz targets, one file of spec/fuzz/ each.
 *
 * A target is FUZZ_TARGET and a body, which gets an input of `size` bytes at `data`. It calls the
 * code with the input, and says with HOLDS() what must be true afterwards. `make fuzz` runs it
 * under libFuzzer and sanitizers. spec/fuzz_spec.lua runs it over its folder in spec/fuzz/corpus/,
 * with replay.c and the compiler of the program.
 *
 * The parts of an input are taken by the functions below. A copy has exactly its size, so that the
 * sanitizer sees a read behind its end. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_TARGET int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)

/* Ends the process unless it is true: libFuzzer keeps the input. */
#define HOLDS(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The unread rest of an input. */
struct fuzz {
    const uint8_t *at;
    size_t left;
};

/* The next byte; 0 behind the end. */
static inline unsigned fuzz_byte(struct fuzz *f)
{
    if (!f->left)
        return 0;
    f->left--;
    return *f->at++;
}

/* The next n bytes, or as many as are left: a copy with a NUL behind it, which the caller frees. */
static inline char *fuzz_copy(struct fuzz *f, size_t n, size_t *len)
{
    char *copy;

    *len = n < f->left ? n : f->left;
    copy = malloc(*len + 1);
    if (!copy)
        abort();
    memcpy(copy, f->at, *len);
    copy[*len] = '\0';
    f->at += *len;
    f->left -= *len;
    return copy;
}

/* The same without the NUL. */
static inline char *fuzz_bytes(struct fuzz *f, size_t n, size_t *len)
{
    char *copy;

    *len = n < f->left ? n : f->left;
    copy = malloc(*len ? *len : 1);
    if (!copy)
        abort();
    memcpy(copy, f->at, *len);
    f->at += *len;
    f->left -= *len;
    return copy;
}

#endif
