/* SPDX-License-Identifier: MIT */
#include "wire/since.h"

#include <stdint.h>
#include <string.h>

#define RECENT_MARK UINT64_C(0x0102030405060700)

void since_begin(struct buf *out)
{
    const uint64_t mark = RECENT_MARK;

    buf_put(out, &mark, sizeof(mark));
}

void since_end(struct buf *out, int complete)
{
    const uint64_t mark = RECENT_MARK | 1;

    if (complete && !out->failed)
        memcpy(out->data, &mark, sizeof(mark));
}

int since_get(const void *bytes, size_t len, const char **names, size_t *n)
{
    uint64_t mark;

    *names = NULL;
    *n = 0;
    if (len < sizeof(mark) || len % SINCE_NAME_BYTES)
        return 0;
    memcpy(&mark, bytes, sizeof(mark));
    if ((mark | 1) != (RECENT_MARK | 1))
        return 0;
    *names = (const char *)bytes + sizeof(mark);
    *n = len / SINCE_NAME_BYTES - 1;
    return mark & 1;
}
