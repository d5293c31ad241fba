/* SPDX-License-Identifier: MIT */
/* answer_value.c - a value as the answer to a get. A peer gets the protobuf around it, a client its
 * bytes with the headers of HTTP (RFC 9110, 9111).
 *
 * The bytes are always sent from the item's own memory, also a part of the value. */
#include "http/answer_value.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/group.h"
#include "cache/item.h"
#include "cache/packed.h"
#include "http/accept.h"
#include "http/access.h"
#include "http/answer.h"
#include "http/answer_cache.h"
#include "http/answer_form.h"
#include "http/answer_own.h"
#include "http/conditional.h"
#include "http/crowd.h"
#include "http/heading.h"
#include "http/keying.h"
#include "http/sending.h"
#include "http/tls.h"
#include "wire/expire.h"
#include "wire/getresponse.h"

enum { STALE_MOMENT_MS = 1000 /* for which a Go node may keep a stale value */ };

/* The bytes of an item that are sent, and the status. */
struct part {
    const struct answer_own *own; /* NULL: the item has no extras */
    const char *coding;           /* NULL: the bytes are those of the value */
    int status;
    const char *bytes;
    size_t n;
    char range[CONDITIONAL_RANGE_TEXT]; /* Content-Range, or empty */
};

static struct MHD_Response *response_of(const struct answer_to *to, struct item *it,
                                        const char *bytes, size_t n, int sent, struct error *e)
{
    access_note_bytes(n);
    return answer_response(to, it, NULL, bytes, n, sent, e);
}

/* An item that is being sent, and the bytes behind its own. */
struct tailed {
    struct item *item;       /* a reference, unless sending has it */
    struct sending *sending; /* of a large item */
    char tail[GETRESPONSE_TAIL];
};

static void drop_tailed(void *arg)
{
    struct tailed *t = arg;

    if (t->sending)
        sending_free(t->sending);
    else
        item_unref(t->item);
    mem_free(t);
}

/* Takes the reference, also if it returns NULL and e. */
static struct tailed *tailed_new(const struct answer_to *to, struct item *it, struct error *e)
{
    struct tailed *t = mem_alloc(sizeof(*t));
    size_t n;

    item_wire(it, &n);
    if (!t)
        error_set(e, ERR_NOMEM, "no memory for an answer");
    else
        *t = (struct tailed){.item = it};
    if (t && n >= SENDING_LEAST) {
        t->sending = sending_new(to->sendings, crowd_guest(to->connection), it, NULL, n, e);
        if (!t->sending) {
            mem_free(t);
            t = NULL;
        }
    }
    if (!t)
        item_unref(it);
    return t;
}

/* A response of the item's own bytes, then how often it is asked for, when it expires, and for a
 * node of ours its extras. Takes the reference, also if it returns NULL and e. */
static struct MHD_Response *response_with_tail(const struct answer_to *to, struct item *it,
                                               unsigned expire_field, uint64_t ends_ms,
                                               double minute_qps, struct error *e)
{
    struct getresponse tail = {
        .minute_qps = minute_qps,
        .expire_ns = expire_to_wire(ends_ms, clock_ms(), clock_wall_ns()),
    };
    struct tailed *t = tailed_new(to, it, e);
    struct MHD_IoVec parts[3];
    struct MHD_Response *r;

    if (!t)
        return NULL;
    if (to->ours)
        tail.extra = item_extra(it, &tail.extra_len);
    parts[0].iov_base = item_wire(it, &parts[0].iov_len);
    parts[1].iov_base = t->tail;
    parts[1].iov_len = getresponse_tail(t->tail, &tail, expire_field);
    parts[2].iov_base = tail.extra;
    parts[2].iov_len = tail.extra_len;
    access_note_bytes(parts[0].iov_len + parts[1].iov_len + parts[2].iov_len);
    r = MHD_create_response_from_iovec(parts, tail.extra_len ? 3 : 2, drop_tailed, t);
    if (!r) {
        drop_tailed(t);
        error_set(e, ERR_NOMEM, "no memory for an answer");
    }
    return r;
}

static const char *header_of(const struct answer_to *to, const char *name)
{
    return MHD_lookup_connection_value(to->connection, MHD_HEADER_KIND, name);
}

static uint64_t left_ms(const struct item *it, uint64_t now_ms)
{
    return item_expires_ms(it) > now_ms ? item_expires_ms(it) - now_ms : 0;
}

static void add_age(struct heading *h, const struct item *it, uint64_t now_ms)
{
    uint64_t age_s = item_age_s(it, now_ms);

    if (age_s)
        heading_add_number(h, "Age", "", age_s);
}

static void add_peer_headers(struct heading *h, const struct result *result, int ours,
                             uint64_t now_ms)
{
    const struct item *it = result->item;

    heading_add_date(h);
    heading_add(h, "Content-Type", DIALECT_CONTENT_TYPE);
    if (it->mortal)
        heading_add_number(h, HEADER_TTL, "", left_ms(it, now_ms));
    if (ours)
        add_age(h, it, now_ms);
    if (result->source == SOURCE_STALE)
        heading_add(h, HEADER_STALE, "1");
}

/* Caches behind this one must know which headers the key has. */
static void add_vary(struct heading *h, const char *rules)
{
    char names[KEYING_VARY_BYTES];

    keying_vary_names(rules, names);
    if (*names)
        heading_add(h, "Vary", names);
}

/* A value with headers of its own may have any of them, so only those are added that it cannot
 * have, or has not; and its Date, if any, is that of the answer. */
static void add_client_headers(struct heading *h, const struct group *g,
                               const struct result *result, const struct part *p, const char *etag,
                               uint64_t now_ms)
{
    const struct item *it = result->item;
    const struct answer_own *own = p->own;

    if (!own)
        heading_add_date(h);
    if (!own || (!own->content_type && it->value_len))
        heading_add(h, "Content-Type", group_content_type(g));
    if (p->coding)
        heading_add(h, "Content-Encoding", p->coding);
    heading_add(h, "X-Cache", source_name(result->source));
    if (etag && (!own || !own->etag))
        heading_add(h, "ETag", etag);
    if (p->range[0])
        heading_add(h, "Content-Range", p->range);
    if (p->status < 300 && !p->coding)
        heading_add(h, "Accept-Ranges", "bytes");
    add_age(h, it, now_ms);
    /* If there is an Age, max-age counts from the time the value was made (RFC 9111, 4.2). */
    if (own && own->cache_control)
        ;
    else if (it->mortal && left_ms(it, now_ms))
        heading_add_number(h, "Cache-Control",
                           "max-age=", item_age_s(it, now_ms) + left_ms(it, now_ms) / 1000);
    else if (it->mortal)
        heading_add(h, "Cache-Control", "max-age=0");
    if (*group_keying(g) && (!own || !own->vary))
        add_vary(h, group_keying(g));
    if (result->source == SOURCE_STALE)
        heading_add(h, "Warning", "110 - \"Response is Stale\"");
}

/* A header that lists tags, on any number of lines. */
struct tags {
    const char *name, *etag;
    int strong, there, found;
};

/* A tag of a value's own may be weak (RFC 9110, 8.8.3.2): without its "W/" it is compared weakly,
 * and it is strongly equal to none. */
static const char *opaque_tag(const char *etag)
{
    return etag && strncmp(etag, "W/", 2) == 0 ? etag + 2 : etag;
}

static const char *strong_tag(const char *etag)
{
    return etag && strncmp(etag, "W/", 2) == 0 ? NULL : etag;
}

static enum MHD_Result look_at_tags(void *arg, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct tags *t = arg;

    (void)kind;
    if (strcasecmp(name, t->name) != 0)
        return MHD_YES;
    t->there = 1;
    t->found |= t->strong ? conditional_etag_matches_strongly(value, t->etag)
                          : conditional_etag_matches(value, t->etag);
    return MHD_YES;
}

static void look_for_tag(const struct answer_to *to, struct tags *t)
{
    MHD_get_connection_values(to->connection, MHD_HEADER_KIND, look_at_tags, t);
}

/* Applies the request's conditions to the whole value in *p. */
static void choose_part(const struct answer_to *to, const char *etag, struct part *p)
{
    struct tags match = {.name = "If-Match", .etag = strong_tag(etag), .strong = 1};
    struct tags none_match = {.name = "If-None-Match", .etag = opaque_tag(etag)};
    const char *if_range, *range;

    look_for_tag(to, &match);
    if (match.there && !match.found) {
        p->status = 412;
        p->n = 0;
        return;
    }
    look_for_tag(to, &none_match);
    if (none_match.found) {
        p->status = 304; /* libmicrohttpd sends no body, but its length */
        return;
    }
    range = to->head ? NULL : header_of(to, "Range");
    if_range = range ? header_of(to, "If-Range") : NULL;
    if (!range || (if_range && !conditional_etag_is(if_range, strong_tag(etag))))
        return;
    p->status = conditional_cut(p->status, range, &p->bytes, &p->n, p->range);
}

/* The tag of the whole value. It costs a pass over the value, on the thread that sends it first:
 * some 2 ms for 8 MB. A worker has made that of a larger one (group_keep_item()). */
static void put_etag(struct item *it, char out[ETAG_BYTES])
{
    uint64_t tag = item_etag(it);

    if (!tag) {
        tag = conditional_etag(item_value(it), it->value_len);
        item_set_etag(it, tag);
    }
    conditional_etag_print(tag, out);
}

/* The responses to a get. They take the reference to the item. NULL and e: no memory, or no room.
 */

/* The expiry that a peer is told. Some of Go's callers refuse an expired value, and would get
 * nothing in an outage. So a stale value is declared good for a moment more. */
static uint64_t told_end_ms(const struct answer_to *to, struct group *g,
                            const struct result *result, uint64_t now_ms)
{
    const struct item *it = result->item;
    uint64_t last_ms;

    if (to->ours || result->source != SOURCE_STALE)
        return item_expires_ms(it);
    last_ms = item_expires_ms(it) + group_stale_ms(g, it);
    if (last_ms > now_ms + STALE_MOMENT_MS)
        return now_ms + STALE_MOMENT_MS;
    return last_ms > now_ms ? last_ms : now_ms + 1;
}

static struct MHD_Response *peer_response(const struct answer_to *to, struct group *g,
                                          const struct result *result, double minute_qps,
                                          uint64_t now_ms, struct error *e)
{
    unsigned expire_field = dialect_facts(to->dialect)->expire_field;
    struct item *it = result->item;
    struct MHD_Response *r;
    struct heading h;
    const char *bytes;
    size_t n;

    bytes = item_wire(it, &n);
    if (expire_field || minute_qps > 0 || (to->ours && it->extra))
        r = response_with_tail(to, it, expire_field, told_end_ms(to, g, result, now_ms), minute_qps,
                               e);
    else
        r = response_of(to, it, bytes, n, 1, e);
    if (!r)
        return NULL;
    heading_begin(&h, r);
    add_peer_headers(&h, result, to->ours, now_ms);
    heading_end(&h);
    return r;
}

static struct MHD_Response *client_response(const struct answer_to *to, const struct group *g,
                                            const struct result *result, int varies,
                                            uint64_t now_ms, int *status, struct error *e)
{
    struct item *it = result->item;
    struct part p = {.status = 200, .bytes = item_value(it), .n = it->value_len};
    struct answer_own own;
    char tag[ETAG_BYTES], coded[ANSWER_OWN_ETAG];
    const char *etag = NULL;
    struct MHD_Response *r;
    struct heading h;

    if (it->extra) {
        answer_own_read(it, &own);
        p.own = &own;
        p.status = own.status;
        p.coding = packed_name(packed_of(it));
        etag = own.etag && p.coding ? answer_own_etag(own.etag, p.coding, coded) : own.etag;
    }
    if (!etag && p.status == 200) {
        put_etag(it, tag);
        etag = tag;
    }
    if (to->conditional && p.status == 200)
        choose_part(to, etag, &p);
    r = response_of(to, it, p.bytes, p.n, !to->head && p.status != 304, e);
    *status = p.status;
    if (!r)
        return NULL;
    heading_begin(&h, r);
    add_client_headers(&h, g, result, &p, etag, now_ms);
    heading_end(&h);
    if (p.own)
        answer_own_add(r, it, etag);
    if (varies)
        MHD_add_response_header(r, "Vary", "Accept-Encoding");
    return r;
}

/* Whether the same bytes may answer other requests for a while. A peer's answer says how many
 * milliseconds a value has left. */
static int can_keep(const struct answer_to *to, const struct result *r, double minute_qps)
{
    const struct item *it = r->item;

    return it->value_len <= ANSWER_CACHE_MAX_BYTES && !it->special && !to->close &&
           !to->conditional && (r->source == SOURCE_MAIN || r->source == SOURCE_HOT) &&
           !(to->peer && (it->mortal || minute_qps > 0));
}

/* The time at which its age, or the seconds that it has left, change next. */
static uint64_t same_until_ms(const struct item *it, uint64_t now_ms)
{
    uint64_t older_ms = (now_ms / 1000 + 1) * 1000;
    uint64_t less_ms = now_ms + left_ms(it, now_ms) % 1000 + 1;

    return it->mortal && less_ms < older_ms ? less_ms : older_ms;
}

static size_t wire_bytes(const struct item *it)
{
    size_t n;

    item_wire(it, &n);
    return n;
}

/* Answers with a form. -1: the answer needs a response of its own. */
static int fill_form(const struct answer_to *to, const struct group *g, const struct result *result,
                     uint64_t now_ms)
{
    struct item *it = result->item;
    struct part p = {.status = 200, .bytes = item_value(it), .n = it->value_len};
    char tag[ETAG_BYTES];
    struct heading h;
    int ok;

    if (it->extra || p.n > ANSWER_FORM_BYTES || to->ours || *to->view || to->clock ||
        (to->peer && dialect_facts(to->dialect)->expire_field))
        return -1;
    heading_begin(&h, NULL);
    if (to->peer) {
        p.bytes = item_wire(it, &p.n);
        add_peer_headers(&h, result, 0, now_ms);
    } else {
        put_etag(it, tag);
        add_client_headers(&h, g, result, &p, tag, now_ms);
    }
    ok = answer_form_queue(crowd_guest(to->connection), &h, p.bytes, p.n);
    if (ok < 0)
        return -1;
    access_note_status(p.status);
    access_note_bytes(p.n);
    return ok;
}

static int give_value(const struct answer_to *to, struct group *g, struct result *result,
                      int varies)
{
    int measured = to->peer && dialect_facts(to->dialect)->minute_qps;
    double minute_qps = measured ? group_hot_minute_qps(g, result->item->hash) : 0;
    int keep = !varies && can_keep(to, result, minute_qps), status = 200;
    uint64_t now_ms = clock_ms();
    const struct answer_cache_look look = {
        .item = result->item,
        .type = to->peer ? NULL : group_content_type(g),
        .how = (unsigned)result->source << 1 | (unsigned)to->ours,
    };
    struct MHD_Response *r = keep ? answer_cache_find(&look, now_ms) : NULL;
    struct result taken = *result;
    struct error e;
    int ok;

    if (taken.item->value_len && !to->head && !to->conditional)
        tls_expect_body();
    result->item = NULL;
    access_note_source(source_name(taken.source));
    if (r) {
        access_note_status(200);
        access_note_bytes(to->peer ? wire_bytes(taken.item) : taken.item->value_len);
        item_unref(taken.item);
        return (int)MHD_queue_response(to->connection, 200, r);
    }
    if (keep && !answer_cache_wants(&look)) {
        keep = 0;
        ok = fill_form(to, g, &taken, now_ms);
        if (ok >= 0) {
            item_unref(taken.item);
            return ok;
        }
    }
    r = to->peer ? peer_response(to, g, &taken, minute_qps, now_ms, &e)
                 : client_response(to, g, &taken, varies, now_ms, &status, &e);
    if (!r)
        return answer_error(to, &e);
    if (!keep)
        return answer_queue(to, status, r);
    answer_cache_keep(&look, r, now_ms, same_until_ms(look.item, now_ms));
    access_note_status(200);
    answer_finish(to, r);
    return (int)MHD_queue_response(to->connection, 200, r);
}

/* A server that is not ours would take the bytes of any answer for the value. */
static int refuse_answer(const struct answer_to *to, struct group *g, struct result *r)
{
    if (extra_refuse(item_status(r->item), group_name(g), &r->err) == ERR_NOTFOUND)
        r->expires_ms = item_expires_ms(r->item);
    item_unref(r->item);
    r->item = NULL;
    return answer_get_error(to, r);
}

/* A part of a value is one of its own bytes. */
static int takes_packed(const struct answer_to *to, const struct item *it)
{
    if (to->peer)
        return to->ours;
    return !header_of(to, "Range") &&
           accept_coding(header_of(to, "Accept-Encoding"), packed_name(packed_of(it)));
}

/* Whoever cannot have an item as it is packed gets the value itself. */
static void open_packed(const struct answer_to *to, struct result *r)
{
    struct item *packed = r->item;

    if (packed_name(packed_of(packed)) && takes_packed(to, packed))
        return;
    r->item = packed_open(packed, &r->err);
    item_unref(packed);
}

int answer_value(const struct answer_to *to, struct group *g, struct result *r)
{
    int packed = r->item && r->item->special && item_is_packed(r->item);

    if (packed)
        open_packed(to, r);
    if (r->item && r->item->special && to->peer && !to->ours && !item_is_value(r->item))
        return refuse_answer(to, g, r);
    return r->item ? give_value(to, g, r, packed && !to->peer) : answer_get_error(to, r);
}
