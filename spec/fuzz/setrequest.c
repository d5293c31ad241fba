/* SPDX-License-Identifier: MIT */
/* setrequest.c - a Go node's set (wire/setrequest), and modernprogram's GetRequest. */
#include "wire/setrequest.h"
#include "fuzz.h"
#include "wire/getrequest.h"

FUZZ_TARGET
{
    struct fuzz in = {data, size};
    struct setrequest r, again;
    struct error e;
    struct buf out;
    size_t n;
    char *bytes = fuzz_bytes(&in, in.left, &n);

    if (getrequest_check(bytes, n, &e))
        HOLDS(e.code == ERR_INVAL);
    if (!setrequest_decode(bytes, n, &r, &e)) {
        buf_init(&out, 0);
        HOLDS(!setrequest_put(&out, &r));
        HOLDS(!setrequest_decode(out.data, out.len, &again, &e));
        HOLDS(r.group_len == again.group_len && !memcmp(r.group, again.group, r.group_len));
        HOLDS(r.key_len == again.key_len && !memcmp(r.key, again.key, r.key_len));
        HOLDS(r.value_len == again.value_len && !memcmp(r.value, again.value, r.value_len));
        HOLDS(r.expire_ns == again.expire_ns);
        setrequest_deinit(&again);
        setrequest_deinit(&r);
        buf_deinit(&out);
    } else {
        HOLDS(e.code == ERR_INVAL);
    }
    free(bytes);
    return 0;
}
