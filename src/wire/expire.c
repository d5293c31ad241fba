/* SPDX-License-Identifier: MIT */
#include "wire/expire.h"

static const uint64_t NS_PER_MS = 1000000;

int64_t expire_to_wire(uint64_t expires_ms, uint64_t now_ms, uint64_t wall_ns)
{
    uint64_t left_ms = expires_ms > now_ms ? expires_ms - now_ms : 0;

    if (!expires_ms)
        return 0;
    if (wall_ns > INT64_MAX || left_ms > (INT64_MAX - wall_ns) / NS_PER_MS)
        return INT64_MAX; /* the year 2262 */
    return (int64_t)(wall_ns + left_ms * NS_PER_MS);
}

int expire_is_past(int64_t expire_ns, uint64_t wall_ns)
{
    return expire_ns < 0 || (expire_ns > 0 && (uint64_t)expire_ns < wall_ns);
}

uint64_t expire_left_ms(int64_t expire_ns, uint64_t wall_ns)
{
    if (expire_ns < 0 || (uint64_t)expire_ns <= wall_ns)
        return 0;
    return ((uint64_t)expire_ns - wall_ns - 1) / NS_PER_MS + 1;
}
