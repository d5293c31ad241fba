/* SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

static const uint32_t FNV_BASIS_32 = 0x811c9dc5u, FNV_PRIME_32 = 0x01000193u;
static const uint64_t FNV_BASIS_64 = 0xcbf29ce484222325u, FNV_PRIME_64 = 0x100000001b3u;

static uint64_t secret[2];         /* set once before the first use */
static uint32_t crc_table[8][256]; /* set once before the first use */

/* Before main, so that the hot path needs no check. */
static void __attribute__((constructor)) hash_setup(void)
{
    uint32_t i, j, c;

    if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret)) {
        secret[0] = clock_ns();
        secret[1] = (uint64_t)getpid() * 0x9e3779b97f4a7c15u;
    }
    for (i = 0; i < 256; i++) {
        for (c = i, j = 0; j < 8; j++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        crc_table[0][i] = c;
    }
    for (i = 0; i < 256; i++) {
        for (j = 1; j < 8; j++)
            crc_table[j][i] = crc_table[j - 1][i] >> 8 ^ crc_table[0][crc_table[j - 1][i] & 255];
    }
}

static uint64_t rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static uint64_t load_le64(const unsigned char *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

uint64_t hash_sip13(const void *bytes, size_t n, uint64_t k0, uint64_t k1)
{
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                     k1 ^ 0x7465646279746573u};
    const unsigned char *p = bytes, *end = p + (n & ~(size_t)7);
    uint64_t last = (uint64_t)n << 56, m;
    size_t i;

    for (; p < end; p += 8) {
        m = load_le64(p);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    for (i = 0; i < (n & 7); i++)
        last |= (uint64_t)p[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_table(const void *bytes, size_t n)
{
    return hash_sip13(bytes, n, secret[0], secret[1]);
}

/* Eight bytes a step ("slicing by 8", Kounavis and Berry, 2005). */
uint32_t hash_crc32(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint32_t c = 0xffffffffu;

    for (; n >= 8; n -= 8, p += 8) {
        uint64_t x = load_le64(p) ^ c;

        c = crc_table[7][x & 255] ^ crc_table[6][x >> 8 & 255] ^ crc_table[5][x >> 16 & 255] ^
            crc_table[4][x >> 24 & 255] ^ crc_table[3][x >> 32 & 255] ^
            crc_table[2][x >> 40 & 255] ^ crc_table[1][x >> 48 & 255] ^ crc_table[0][x >> 56];
    }
    for (; n; n--)
        c = c >> 8 ^ crc_table[0][(c ^ *p++) & 255];
    return c ^ 0xffffffffu;
}

uint32_t hash_fnv1_32(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    size_t i;
    uint32_t h = FNV_BASIS_32;

    for (i = 0; i < n; i++)
        h = h * FNV_PRIME_32 ^ p[i];
    return h;
}

uint32_t hash_fnv1a_32(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    size_t i;
    uint32_t h = FNV_BASIS_32;

    for (i = 0; i < n; i++)
        h = (h ^ p[i]) * FNV_PRIME_32;
    return h;
}

uint64_t hash_fnv1_64(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    size_t i;
    uint64_t h = FNV_BASIS_64;

    for (i = 0; i < n; i++)
        h = h * FNV_PRIME_64 ^ p[i];
    return h;
}

uint64_t hash_fnv1a_64(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    size_t i;
    uint64_t h = FNV_BASIS_64;

    for (i = 0; i < n; i++)
        h = (h ^ p[i]) * FNV_PRIME_64;
    return h;
}

static const char *const kind_names[HASH_KINDS] = {
    [HASH_CRC32] = "crc32",     [HASH_FNV1_32] = "fnv1-32",   [HASH_FNV1A_32] = "fnv1a-32",
    [HASH_FNV1_64] = "fnv1-64", [HASH_FNV1A_64] = "fnv1a-64",
};

uint64_t hash_murmur64(const void *bytes, size_t n)
{
    static const uint64_t m = 0xc6a4a7935bd1e995u;
    const unsigned char *at = bytes, *end = at + n / 8 * 8;
    uint64_t h = n * m, k;
    size_t rest = n % 8;

    for (; at < end; at += 8) {
        memcpy(&k, at, 8);
        k *= m;
        k ^= k >> 47;
        h = (h ^ k * m) * m;
    }
    if (rest) {
        for (k = 0; rest; rest--)
            k |= (uint64_t)at[rest - 1] << (8 * (rest - 1));
        h = (h ^ k) * m;
    }
    h ^= h >> 47;
    h *= m;
    return h ^ h >> 47;
}

const char *hash_kind_name(enum hash_kind kind)
{
    return kind_names[kind];
}

int hash_kind_from_name(const char *name)
{
    int k;

    for (k = 0; k < HASH_KINDS; k++) {
        if (strcmp(kind_names[k], name) == 0)
            return k;
    }
    return -1;
}

unsigned hash_kind_bits(enum hash_kind kind)
{
    return kind == HASH_FNV1_64 || kind == HASH_FNV1A_64 ? 64 : 32;
}

uint64_t hash_ring(enum hash_kind kind, const void *bytes, size_t n)
{
    switch (kind) {
    case HASH_FNV1_32:
        return hash_fnv1_32(bytes, n);
    case HASH_FNV1A_32:
        return hash_fnv1a_32(bytes, n);
    case HASH_FNV1_64:
        return hash_fnv1_64(bytes, n);
    case HASH_FNV1A_64:
        return hash_fnv1a_64(bytes, n);
    default:
        return hash_crc32(bytes, n);
    }
}
