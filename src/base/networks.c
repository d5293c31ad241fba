/* SPDX-License-Identifier: MIT */
#include "base/networks.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

static int is_v6(const char *text, size_t n)
{
    return memchr(text, ':', n) != NULL;
}

static int parse_one(const char *text, size_t n, struct network *out)
{
    const char *slash = memchr(text, '/', n);
    size_t host = slash ? (size_t)(slash - text) : n;
    unsigned max = is_v6(text, host) ? ADDRESS_BITS : ADDRESS_V4_BITS;
    uint64_t bits = max;

    if (!address_parse(text, host, &out->address))
        return 0;
    if (slash && (host + 1 == n || !num_parse_u64(slash + 1, n - host - 1, max, &bits)))
        return 0;
    out->bits = (unsigned)bits + (ADDRESS_BITS - max);
    return 1;
}

enum err networks_add(struct networks *set, const char *text, size_t n, struct error *e)
{
    struct network one, *list;

    if (!parse_one(text, n, &one))
        return error_set(e, ERR_INVAL,
                         "\"%.*s\" is not an address or a network, such as 192.168.1.7, "
                         "10.0.0.0/8 or fd00::/8",
                         (int)(n < ADDRESS_TEXT + 4 ? n : ADDRESS_TEXT + 4), text);
    if (address_clear_behind(&one.address, one.bits))
        return error_set(e, ERR_INVAL, "\"%.*s\" has bits behind its prefix, which must be 0",
                         (int)n, text);
    list = mem_realloc(set->list, (set->n + 1) * sizeof(*list));
    if (!list)
        return error_set(e, ERR_NOMEM, "no memory for a network");
    set->list = list;
    list[set->n++] = one;
    return ERR_OK;
}

enum err networks_parse(struct networks *set, const char *text, struct error *e)
{
    const char *end = text;

    for (; *end; text = end + (*end == ',')) {
        size_t n;

        text += strspn(text, " ");
        end = text + strcspn(text, ",");
        n = (size_t)(end - text);
        while (n && text[n - 1] == ' ')
            n--;
        if (networks_add(set, text, n, e))
            return e->code;
    }
    return ERR_OK;
}

void networks_deinit(struct networks *set)
{
    mem_free(set->list);
    memset(set, 0, sizeof(*set));
}

int networks_have(const struct networks *set, const struct address *a)
{
    size_t i;

    for (i = 0; i < set->n; i++) {
        struct address first = *a;

        address_clear_behind(&first, set->list[i].bits);
        if (address_equal(&first, &set->list[i].address))
            return 1;
    }
    return 0;
}
