/* SPDX-License-Identifier: MIT */
/* hash.h - the hash functions of the node: one for its tables, one for the ring.
 *
 * Tables use SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", with the 1-3
 * rounds that Rust and Ruby use for tables) under a random key drawn at start, so that nobody can
 * choose keys that collide. The ring's functions are fixed by the Go dialects. */
#ifndef HASH_H
#define HASH_H

#include <stddef.h>
#include <stdint.h>

/* Keyed with this process's secret. Not stable between runs. */
uint64_t hash_table(const void *bytes, size_t n);

/* SipHash-1-3 under the given 128-bit key. */
uint64_t hash_sip13(const void *bytes, size_t n, uint64_t k0, uint64_t k1);

/* CRC-32 as IEEE 802.3 and Go's crc32.ChecksumIEEE have it. */
uint32_t hash_crc32(const void *bytes, size_t n);

#endif
