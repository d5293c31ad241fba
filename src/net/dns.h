/* SPDX-License-Identifier: MIT */
/* dns.h - questions to the name servers of /etc/resolv.conf, with the times that answers are good.
 *
 * libc's resolver does the work: search list, options, TCP for a large answer, /etc/resolv.conf
 * read for each question. It blocks, so each question has a thread of its own, which is not joined:
 * a name server that is dead costs 2 s at each of two tries. Questions are rare: a source of peers
 * has one at a time.
 *
 * Any thread. */
#ifndef DNS_H
#define DNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/err.h"

enum { DNS_NAME = 256, DNS_SERVER = 64 };

enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_SRV = 33 }; /* as in the messages */

struct dns_record {
    uint32_t ttl_s;
    char text[DNS_NAME]; /* the address in digits; of DNS_SRV: the host, in lower case, without a
                          * dot at the end */
    uint16_t port;       /* of DNS_SRV */
};

struct dns_answer {
    struct error err; /* ERR_OK: the name servers have answered, if only that there is no record.
                       * PEER: none has answered, or the answer makes no sense; NOMEM */
    struct dns_record *list;
    size_t n;
};

struct dns_question {
    char name[DNS_NAME];
    enum dns_type type;
    char server[DNS_SERVER]; /* "": those of /etc/resolv.conf; else ADDRESS:PORT, in digits */

    /* Called once, on a thread of its own. The answer is borrowed. done may take a->list, which
     * mem_free() frees, and sets it to NULL then. */
    void (*done)(void *ctx, struct dns_answer *a);
    void *ctx;
};

/* Copies the question. BUSY: MANY questions wait already; INVAL: the server is no address; NOMEM:
 * no thread. Then done is not called. */
enum err dns_ask(const struct dns_question *q, struct error *e);

#endif
