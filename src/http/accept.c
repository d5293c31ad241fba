/* SPDX-License-Identifier: MIT */
#include "http/accept.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ABSENT = -1, THOUSAND = 1000 };

/* The weight of the item of the list that begins here, in thousandths. Digits are read by hand:
 * strtod() heeds the locale. */
static int weight_of(const char *item)
{
    const char *end = item + strcspn(item, ",");
    const char *q = memchr(item, ';', (size_t)(end - item));
    int weight = 0, digit = THOUSAND;

    if (!q)
        return THOUSAND;
    q += 1 + strspn(q + 1, " \t");
    if ((*q != 'q' && *q != 'Q') || q[1] != '=')
        return THOUSAND;
    for (q += 2; q < end && ((*q >= '0' && *q <= '9') || *q == '.'); q++) {
        if (*q == '.')
            continue;
        weight += (*q - '0') * digit;
        digit /= 10;
    }
    return weight < THOUSAND ? weight : THOUSAND;
}

/* The weight that the list gives a name, or ABSENT. */
static int weight_in(const char *list, const char *name)
{
    size_t n = strlen(name);

    while (*list) {
        list += strspn(list, " \t,");
        if (strcspn(list, " \t,;") == n && strncasecmp(list, name, n) == 0)
            return weight_of(list);
        list += strcspn(list, ",");
    }
    return ABSENT;
}

int accept_coding(const char *list, const char *coding)
{
    int weight, plain;

    if (!list)
        return 0;
    weight = weight_in(list, coding);
    if (weight == ABSENT)
        weight = weight_in(list, "*");
    plain = weight_in(list, "identity");
    return weight > 0 && weight >= plain;
}
