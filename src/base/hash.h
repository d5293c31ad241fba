/* SPDX-License-Identifier: MIT */
/* hash.h - the hash functions of the node: one for its tables, some for the ring.
 *
 * Tables use SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF") with 1-3 rounds, as
 * Rust and Ruby do. Its key is drawn at random at the start, so that nobody can choose keys that
 * collide. The ring's functions are fixed by the Go dialects. */
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

/* FNV-1 multiplies, then takes in a byte; FNV-1a the other way round (draft-eastlake-fnv). */
uint32_t hash_fnv1_32(const void *bytes, size_t n);
uint32_t hash_fnv1a_32(const void *bytes, size_t n);
uint64_t hash_fnv1_64(const void *bytes, size_t n);
uint64_t hash_fnv1a_64(const void *bytes, size_t n);

/* MurmurHash64A (Austin Appleby, in the public domain), seed 0. It reads eight bytes at a time: a
 * checksum of much data. Its value depends on the byte order of the machine. */
uint64_t hash_murmur64(const void *bytes, size_t n);

/* The functions a ring may be made with. */
enum hash_kind { HASH_CRC32, HASH_FNV1_32, HASH_FNV1A_32, HASH_FNV1_64, HASH_FNV1A_64, HASH_KINDS };

/* "crc32", "fnv1-32", "fnv1a-32", "fnv1-64", "fnv1a-64". */
const char *hash_kind_name(enum hash_kind kind);
int hash_kind_from_name(const char *name); /* -1: no such name */

/* How many bits of hash_ring() count: 32 or 64. */
unsigned hash_kind_bits(enum hash_kind kind);

uint64_t hash_ring(enum hash_kind kind, const void *bytes, size_t n);

#endif
