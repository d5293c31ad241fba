/* SPDX-License-Identifier: MIT */
/* senders.h - the addresses from which a node takes the changes of other nodes.
 *
 * The setting peer_changes is a list of words, parted by commas: "peers" for the addresses of
 * listed peers, "open" for every address, or a network such as 10.0.0.0/8.
 *
 * Any thread, once it is parsed. */
#ifndef SENDERS_H
#define SENDERS_H

#include "base/err.h"
#include "base/networks.h"

struct peers;

struct senders {
    int open;  /* 1: every address */
    int peers; /* 1: those of listed peers */
    struct networks networks;
};

/* Reads the setting. The caller frees senders after an error, too. INVAL: the message has the word
 * that is wrong. */
enum err senders_parse(struct senders *s, const char *text, struct error *e);
void senders_deinit(struct senders *s);

/* Whether a change is taken from that address (NULL: a sender without one); `peers` are those of
 * the group. INVAL: no, and the message has the address and the setting. */
enum err senders_check(const struct senders *s, struct peers *peers, const struct address *from,
                       struct error *e);

#endif
