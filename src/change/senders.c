/* SPDX-License-Identifier: MIT */
#include "change/senders.h"

#include <string.h>

#include "peer/peers.h"

static enum err add(struct senders *s, const char *word, size_t n, struct error *e)
{
    if (n == 4 && memcmp(word, "open", n) == 0) {
        s->open = 1;
        return ERR_OK;
    }
    if (n == 5 && memcmp(word, "peers", n) == 0) {
        s->peers = 1;
        return ERR_OK;
    }
    if (networks_add(&s->networks, word, n, e))
        return error_set(e, ERR_INVAL,
                         "peer_changes: \"%.*s\" is not \"peers\", \"open\", or a network such as "
                         "10.0.0.0/8",
                         (int)(n < 60 ? n : 60), word);
    return ERR_OK;
}

enum err senders_parse(struct senders *s, const char *text, struct error *e)
{
    static const char between[] = ", ";

    memset(s, 0, sizeof(*s));
    for (text += strspn(text, between); *text; text += strspn(text, between)) {
        size_t n = strcspn(text, between);

        if (add(s, text, n, e))
            return e->code;
        text += n;
    }
    return ERR_OK;
}

void senders_deinit(struct senders *s)
{
    networks_deinit(&s->networks);
}

enum err senders_check(const struct senders *s, struct peers *peers, const struct address *from,
                       struct error *e)
{
    char text[ADDRESS_TEXT];

    if (s->open ||
        (from && (networks_have(&s->networks, from) || (s->peers && peers_are_at(peers, from)))))
        return ERR_OK;
    return error_set(e, ERR_INVAL,
                     "a change is taken from listed peers only, and %s is not the address of one: "
                     "if peers are behind a NAT or a proxy, add its network to peer_changes",
                     from ? address_put(from, text) : "a UNIX socket");
}
