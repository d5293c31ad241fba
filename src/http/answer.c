/* SPDX-License-Identifier: MIT */
#include "http/answer.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "cache/item.h"
#include "http/access.h"
#include "http/crowd.h"
#include "http/sending.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

/* docs/api.md has the same table. */
static const int client_status[ERR_COUNT] = {
    [ERR_OK] = 200,     [ERR_INVAL] = 400, [ERR_NOMEM] = 503,   [ERR_NOTFOUND] = 404,
    [ERR_GETTER] = 502, [ERR_PEER] = 502,  [ERR_TIMEOUT] = 504, [ERR_TOOBIG] = 413,
    [ERR_CYCLE] = 508,  [ERR_BUSY] = 503,  [ERR_CLOSED] = 503,
};

/* Before a Date is added: libmicrohttpd 0.9.75 forgets here that there is one, and adds its own. */
static void say_close(struct MHD_Response *r)
{
    if (!MHD_get_response_header(r, "Connection"))
        MHD_add_response_header(r, "Connection", "close");
}

void answer_finish(const struct answer_to *to, struct MHD_Response *r)
{
    char id[DIALECT_ID_BYTES], clock[24];

    if (to->close)
        say_close(r);
    if (to->ours)
        MHD_add_response_header(r, HEADER_NODE, "1");
    if (*to->view)
        MHD_add_response_header(r, HEADER_VIEW, to->view);
    if (to->clock) {
        snprintf(clock, sizeof(clock), "%llu", (unsigned long long)to->clock);
        MHD_add_response_header(r, HEADER_CLOCK, clock);
    }
    if (to->ours && to->id) {
        dialect_id_text(to->id, id);
        MHD_add_response_header(r, HEADER_KEY, id);
    }
}

int answer_queue(const struct answer_to *to, int status, struct MHD_Response *r)
{
    int ok;

    if (!r)
        return MHD_NO;
    access_note_status(status);
    answer_finish(to, r);
    ok = (int)MHD_queue_response(to->connection, (unsigned)status, r);
    MHD_destroy_response(r);
    return ok;
}

int answer_bytes(const struct answer_to *to, int status, const char *type, const void *bytes,
                 size_t n)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(n, (void *)(size_t)bytes, MHD_RESPMEM_MUST_COPY);

    access_note_bytes(n);
    if (r)
        MHD_add_response_header(r, "Content-Type", type);
    return answer_queue(to, status, r);
}

static void drop_item(void *item)
{
    item_unref(item);
}

struct MHD_Response *answer_response(const struct answer_to *to, struct item *it, char *owned,
                                     const void *bytes, size_t n, int sent, struct error *e)
{
    void (*drop)(void *) = it ? drop_item : mem_free;
    void *arg = it ? (void *)it : owned;
    struct MHD_Response *r;

    if (sent && n >= SENDING_LEAST) {
        arg = sending_new(to->sendings, crowd_guest(to->connection), it, owned, n, e);
        drop = sending_free;
    }
    r = arg ? MHD_create_response_from_buffer_with_free_callback_cls(n, (void *)(size_t)bytes, drop,
                                                                     arg)
            : NULL;
    if (r && to->close)
        say_close(r);
    if (r)
        return r;
    if (arg) {
        error_set(e, ERR_NOMEM, "no memory for an answer");
        drop(arg);
    } else {
        item_unref(it);
        mem_free(owned);
    }
    return NULL;
}

int answer_buf(const struct answer_to *to, int status, const char *type, struct buf *b)
{
    struct MHD_Response *r;
    struct error e;
    char *bytes;
    size_t n;

    if (b->failed) {
        error_set(&e, b->failed, "no room for an answer of %zu bytes and more", b->len);
        return answer_error(to, &e);
    }
    bytes = buf_take(b, &n);
    r = answer_response(to, NULL, bytes, bytes, n, !to->head, &e);
    if (!r)
        return answer_error(to, &e);
    access_note_bytes(n);
    if (type)
        MHD_add_response_header(r, "Content-Type", type);
    return answer_queue(to, status, r);
}

int answer_done(const struct answer_to *to)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

    return answer_queue(to, to->peer ? 200 : 204, r);
}

/* The sources of an error answer's headers. */
struct more {
    const char *allow;        /* of a 405 */
    const struct result *get; /* of a get without a value */
};

/* If a NOTFOUND may be kept, its answer says for how long. */
static uint64_t left_ms(const struct more *m)
{
    uint64_t now = clock_ms();

    return m->get && m->get->expires_ms > now ? m->get->expires_ms - now : 0;
}

/* Like Go's http.Error, with the code in a header of ours. */
static int peer_error(const struct answer_to *to, int status, const struct error *e,
                      const struct more *m)
{
    char text[sizeof(e->msg) + 2], ms[24];
    int n = snprintf(text, sizeof(text), "%s\n", e->msg);
    struct MHD_Response *r =
        MHD_create_response_from_buffer((size_t)n, text, MHD_RESPMEM_MUST_COPY);

    access_note_bytes((size_t)n);
    if (r) {
        MHD_add_response_header(r, "Content-Type", TEXT_TYPE);
        MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
        MHD_add_response_header(r, HEADER_CODE, err_name(e->code));
    }
    if (r && left_ms(m)) {
        snprintf(ms, sizeof(ms), "%llu", (unsigned long long)left_ms(m));
        MHD_add_response_header(r, HEADER_TTL, ms);
    }
    return answer_queue(to, status, r);
}

static void add_client_headers(struct MHD_Response *r, int status, const struct error *e,
                               const struct more *m)
{
    char age[48];

    MHD_add_response_header(r, "Content-Type", "application/json");
    if (m->allow)
        MHD_add_response_header(r, "Allow", m->allow);
    if (status == 401)
        MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
    if (e->code == ERR_BUSY || e->code == ERR_CLOSED || e->code == ERR_NOMEM)
        MHD_add_response_header(r, "Retry-After", "1");
    if (m->get)
        MHD_add_response_header(r, "X-Cache", "error");
    if (left_ms(m)) {
        snprintf(age, sizeof(age), "max-age=%llu", (unsigned long long)left_ms(m) / 1000);
        MHD_add_response_header(r, "Cache-Control", age);
    }
}

static int client_error(const struct answer_to *to, int status, const struct error *e,
                        const struct more *m)
{
    struct MHD_Response *r = NULL;
    struct json_out j;
    struct buf text;

    buf_init(&text, 0);
    json_out_begin(&j, &text, '{');
    json_out_error(&j, e);
    json_out_close(&j);
    buf_puts(&text, "\n");
    if (!text.failed)
        r = MHD_create_response_from_buffer(text.len, text.data, MHD_RESPMEM_MUST_COPY);
    access_note_bytes(text.len);
    buf_deinit(&text);
    if (r)
        add_client_headers(r, status, e, m);
    return answer_queue(to, status, r);
}

static int status_of(const struct answer_to *to, enum err code)
{
    return to->peer ? dialect_status(to->dialect, code) : client_status[code];
}

static int error_with(const struct answer_to *to, int status, const struct error *e,
                      const struct more *m)
{
    return to->peer ? peer_error(to, status, e, m) : client_error(to, status, e, m);
}

int answer_status(const struct answer_to *to, int status, const struct error *e)
{
    const struct more m = {NULL, NULL};

    return error_with(to, status, e, &m);
}

int answer_error(const struct answer_to *to, const struct error *e)
{
    return answer_status(to, status_of(to, e->code), e);
}

int answer_method(const struct answer_to *to, const char *method, const char *allow)
{
    const struct more m = {allow, NULL};
    struct error e;

    error_set(&e, ERR_INVAL, "method %.20s is not served here", method);
    return error_with(to, 405, &e, &m);
}

int answer_get_error(const struct answer_to *to, const struct result *r)
{
    const struct more m = {NULL, r};

    access_note_source("error");
    return error_with(to, status_of(to, r->err.code), &r->err, &m);
}

int answer_unparsed(const struct answer_to *to)
{
    struct answer_to closing = *to;

    closing.close = 1;
    return answer_bytes(&closing, 400, TEXT_TYPE, "400 Bad Request", 15);
}
