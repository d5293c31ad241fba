/* SPDX-License-Identifier: MIT */
#include "net/dns.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <resolv.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/thread.h"

enum {
    MANY = 32,             /* questions at once */
    STACK_BYTES = 1 << 19, /* the resolver has buffers on the stack */
    ANSWER_BYTES = 65535,  /* the most that a message over TCP has */
    TRY_S = 2,
    TRIES = 2
};

static atomic_uint under_way;

/* --- the answer --- */

/* 0: a record of another type, or of none that can be read. */
static int read_record(ns_msg msg, const ns_rr *rr, enum dns_type type, struct dns_record *out)
{
    const unsigned char *data = ns_rr_rdata(*rr);
    size_t n = ns_rr_rdlen(*rr), i;

    if ((int)ns_rr_type(*rr) != (int)type)
        return 0;
    out->ttl_s = ns_rr_ttl(*rr);
    out->port = 0;
    if (type == DNS_A)
        return n == 4 && inet_ntop(AF_INET, data, out->text, sizeof(out->text)) != NULL;
    if (type == DNS_AAAA)
        return n == 16 && inet_ntop(AF_INET6, data, out->text, sizeof(out->text)) != NULL;
    if (n < 7)
        return 0;
    out->port = (uint16_t)(data[4] << 8 | data[5]);
    if (dn_expand(ns_msg_base(msg), ns_msg_end(msg), data + 6, out->text, sizeof(out->text)) < 0)
        return 0;
    for (i = 0; out->text[i]; i++)
        out->text[i] = (char)tolower((unsigned char)out->text[i]);
    if (i && out->text[i - 1] == '.')
        out->text[i - 1] = '\0';
    return out->text[0] != '\0'; /* "." says that there is no such service: RFC 2782 */
}

static void read_answer(const unsigned char *bytes, int n, const struct dns_question *q,
                        struct dns_answer *a)
{
    ns_msg msg;
    ns_rr rr;
    int i, count;

    if (ns_initparse(bytes, n, &msg)) {
        error_set(&a->err, ERR_PEER, "the answer to %s cannot be read", q->name);
        return;
    }
    count = ns_msg_count(msg, ns_s_an);
    a->list = mem_alloc(((size_t)count + 1) * sizeof(*a->list));
    if (!a->list) {
        error_set(&a->err, ERR_NOMEM, "no memory for %d records of %s", count, q->name);
        return;
    }
    for (i = 0; i < count; i++) {
        if (!ns_parserr(&msg, ns_s_an, i, &rr))
            a->n += (size_t)read_record(msg, &rr, q->type, &a->list[a->n]);
    }
}

/* --- the question --- */

/* Splits ADDRESS:PORT; only IPv4, since the resolver has room for no other in its first table. */
static int read_server(const char *text, struct sockaddr_in *out)
{
    const char *colon = strrchr(text, ':');
    char host[DNS_SERVER];
    char *end;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;

    if (!colon || *end || port < 1 || port > 65535 || colon - text >= (long)sizeof(host))
        return 0;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    memset(out, 0, sizeof(*out));
    out->sin_family = AF_INET;
    out->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

static void look_up(struct __res_state *r, const struct dns_question *q, unsigned char *bytes,
                    struct dns_answer *a)
{
    int n;

    if (q->server[0]) {
        read_server(q->server, &r->nsaddr_list[0]);
        r->nscount = 1;
    }
    r->retrans = TRY_S;
    r->retry = TRIES;
    n = res_nsearch(r, q->name, ns_c_in, (int)q->type, bytes, ANSWER_BYTES);
    if (n >= 0)
        read_answer(bytes, n < ANSWER_BYTES ? n : ANSWER_BYTES, q, a);
    else if (r->res_h_errno != HOST_NOT_FOUND && r->res_h_errno != NO_DATA)
        error_set(&a->err, ERR_PEER, "no name server has answered to %s: %s", q->name,
                  r->res_h_errno == NETDB_INTERNAL ? strerror(errno) : hstrerror(r->res_h_errno));
}

static void *dns_main(void *arg)
{
    struct dns_question *q = arg;
    struct dns_answer a = {.err = {.code = ERR_OK}};
    unsigned char *bytes = mem_alloc(ANSWER_BYTES);
    struct __res_state r;

    memset(&r, 0, sizeof(r));
    if (!bytes || res_ninit(&r)) {
        error_set(&a.err, ERR_NOMEM, "no memory to ask for %s", q->name);
    } else {
        look_up(&r, q, bytes, &a);
        res_nclose(&r);
    }
    q->done(q->ctx, &a);
    mem_free(a.list);
    mem_free(bytes);
    mem_free(q);
    atomic_fetch_sub(&under_way, 1);
    return NULL;
}

enum err dns_ask(const struct dns_question *q, struct error *e)
{
    struct dns_question *copy;
    struct sockaddr_in server;
    pthread_t thread;

    if (q->server[0] && !read_server(q->server, &server))
        return error_set(e, ERR_INVAL,
                         "the name server is \"%s\", and must be an IPv4 address with a port, such "
                         "as 127.0.0.1:53",
                         q->server);
    if (atomic_fetch_add(&under_way, 1) >= MANY) {
        atomic_fetch_sub(&under_way, 1);
        return error_set(e, ERR_BUSY, "%d questions to name servers are under way", MANY);
    }
    copy = mem_zalloc(sizeof(*copy));
    *copy = *q;
    if (thread_start(&thread, "dns", STACK_BYTES, dns_main, copy, e)) {
        atomic_fetch_sub(&under_way, 1);
        mem_free(copy);
        return e->code;
    }
    pthread_detach(thread);
    return ERR_OK;
}
