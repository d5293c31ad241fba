/* SPDX-License-Identifier: MIT */
#include "net/server_answer.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cache/group.h"
#include "cache/item.h"
#include "wire/expire.h"
#include "wire/getresponse.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

/* docs/api.md has the same table. */
static const int client_status[ERR_COUNT] = {
    [ERR_OK] = 200,     [ERR_INVAL] = 400, [ERR_NOMEM] = 503,   [ERR_NOTFOUND] = 404,
    [ERR_GETTER] = 502, [ERR_PEER] = 502,  [ERR_TIMEOUT] = 504, [ERR_TOOBIG] = 413,
    [ERR_CYCLE] = 508,  [ERR_BUSY] = 503,  [ERR_CLOSED] = 503,
};

static void drop_item(void *item)
{
    item_unref(item);
}

/* Queues r, if there is one, and gives it up. Without memory for a response MHD_NO ends the
 * connection: there is nothing better to say. */
static int queue(const struct answer_to *to, int status, struct MHD_Response *r)
{
    int ok;

    if (!r)
        return MHD_NO;
    if (to->close)
        MHD_add_response_header(r, "Connection", "close");
    ok = (int)MHD_queue_response(to->connection, (unsigned)status, r);
    MHD_destroy_response(r);
    return ok;
}

static void add_ttl(struct MHD_Response *r, const struct item *it)
{
    uint64_t now = clock_ms();
    char ms[24];

    if (!it->expires_ms)
        return;
    snprintf(ms, sizeof(ms), "%llu",
             (unsigned long long)(it->expires_ms > now ? it->expires_ms - now : 0));
    MHD_add_response_header(r, HEADER_TTL, ms);
}

/* An item that is being sent, and what stands behind its bytes. */
struct tailed {
    struct item *item; /* a reference */
    char tail[GETRESPONSE_TAIL];
};

static void drop_tailed(void *arg)
{
    struct tailed *t = arg;

    item_unref(t->item);
    mem_free(t);
}

/* The item's own bytes, and behind them how often it is asked for and when it ends. Takes the
 * reference; NULL leaves it. */
static struct MHD_Response *response_with_tail(struct item *it, unsigned expire_field,
                                               double minute_qps)
{
    const struct getresponse tail = {
        .minute_qps = minute_qps,
        .expire_ns = expire_to_wire(it->expires_ms, clock_ms(), clock_wall_ns()),
    };
    struct tailed *t = mem_zalloc(sizeof(*t));
    struct MHD_IoVec parts[2];
    struct MHD_Response *r;

    t->item = it;
    parts[0].iov_base = item_wire(it, &parts[0].iov_len);
    parts[1].iov_base = t->tail;
    parts[1].iov_len = getresponse_tail(t->tail, &tail, expire_field);
    r = MHD_create_response_from_iovec(parts, 2, drop_tailed, t);
    if (!r)
        mem_free(t);
    return r;
}

/* The same for an answer that is the item's bytes and no more. */
static struct MHD_Response *response_of(const struct answer_to *to, struct item *it)
{
    const char *bytes = item_value(it);
    size_t n = it->value_len;

    if (to->peer)
        bytes = item_wire(it, &n);
    return MHD_create_response_from_buffer_with_free_callback_cls(n, (void *)(size_t)bytes,
                                                                  drop_item, it);
}

int answer_value(const struct answer_to *to, struct group *g, const struct result *result)
{
    const struct dialect_facts *facts = dialect_facts(to->dialect);
    struct item *it = result->item;
    unsigned expire_field = to->peer ? facts->expire_field : 0;
    double qps = to->peer && facts->minute_qps ? group_minute_qps(g, it->hash) : 0;
    struct MHD_Response *r =
        expire_field || qps > 0 ? response_with_tail(it, expire_field, qps) : response_of(to, it);

    if (!r) {
        item_unref(it);
        return MHD_NO;
    }
    if (to->peer) {
        MHD_add_response_header(r, "Content-Type", DIALECT_CONTENT_TYPE);
        add_ttl(r, it);
    } else {
        MHD_add_response_header(r, "Content-Type", group_content_type(g));
        MHD_add_response_header(r, "X-Cache", source_name(result->source));
    }
    return queue(to, 200, r);
}

int answer_bytes(const struct answer_to *to, int status, const char *type, const void *bytes,
                 size_t n)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(n, (void *)(size_t)bytes, MHD_RESPMEM_MUST_COPY);

    if (r)
        MHD_add_response_header(r, "Content-Type", type);
    return queue(to, status, r);
}

/* As Go's http.Error writes it, with the code in a header of ours. */
static int peer_error(const struct answer_to *to, int status, const struct error *e)
{
    char text[sizeof(e->msg) + 2];
    int n = snprintf(text, sizeof(text), "%s\n", e->msg);
    struct MHD_Response *r =
        MHD_create_response_from_buffer((size_t)n, text, MHD_RESPMEM_MUST_COPY);

    if (r) {
        MHD_add_response_header(r, "Content-Type", TEXT_TYPE);
        MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
        MHD_add_response_header(r, HEADER_CODE, err_name(e->code));
    }
    return queue(to, status, r);
}

int answer_unparsed(const struct answer_to *to)
{
    struct answer_to closing = *to;

    closing.close = 1;
    return answer_bytes(&closing, 400, TEXT_TYPE, "400 Bad Request", 15);
}

static int client_error(const struct answer_to *to, int status, const struct error *e)
{
    struct MHD_Response *r = NULL;
    struct buf text;

    buf_init(&text, 0);
    buf_puts(&text, "{\"error\":");
    buf_put_json(&text, e->msg, strlen(e->msg));
    buf_putf(&text, ",\"code\":\"%s\"}\n", err_name(e->code));
    if (!text.failed)
        r = MHD_create_response_from_buffer(text.len, text.data, MHD_RESPMEM_MUST_COPY);
    buf_deinit(&text);
    if (r) {
        MHD_add_response_header(r, "Content-Type", "application/json");
        if (status == 405)
            MHD_add_response_header(r, "Allow", "GET, HEAD");
        if (e->code == ERR_BUSY || e->code == ERR_CLOSED)
            MHD_add_response_header(r, "Retry-After", "1");
    }
    return queue(to, status, r);
}

int answer_status(const struct answer_to *to, int status, const struct error *e)
{
    return to->peer ? peer_error(to, status, e) : client_error(to, status, e);
}

int answer_error(const struct answer_to *to, const struct error *e)
{
    int status = to->peer ? dialect_status(to->dialect, e->code) : client_status[e->code];

    return answer_status(to, status, e);
}
