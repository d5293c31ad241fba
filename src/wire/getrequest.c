/* SPDX-License-Identifier: MIT */
#include "wire/getrequest.h"

#include "groupcache.pb-c.h"
#include "wire/pbc.h"

enum err getrequest_check(const void *bytes, size_t n, struct error *e)
{
    void *m = pbc_unpack(&groupcachepb__modern_get_request__descriptor, "GetRequest", bytes, n, e);

    pbc_free(m);
    return m ? ERR_OK : e->code;
}
