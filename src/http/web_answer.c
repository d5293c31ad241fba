/* SPDX-License-Identifier: MIT */
#include "http/web_answer.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/httpdate.h"
#include "base/mem.h"
#include "cache/group.h"
#include "cache/item.h"
#include "http/access.h"
#include "http/answer.h"
#include "http/conditional.h"
#include "http/last_words.h"
#include "http/tls.h"
#include "http/web_interim.h"
#include "wire/httpmsg.h"

enum {
    MAX_ETAG = 1024,
    LARGE_HEAD = 4 * 1024 /* bytes of headers; fewer fit beside any request that is not large */
};

/* The part of a message that is sent. */
struct part {
    int status;
    const char *bytes;
    size_t n;
    char range[CONDITIONAL_RANGE_TEXT]; /* Content-Range, or empty */
};

/* The message's validators. */
struct validators {
    char etag[MAX_ETAG];  /* empty: none */
    const char *modified; /* Last-Modified, else Date; NULL: none */
    size_t modified_len;
    int dated; /* it is the Date */
};

static int is(const char *s, size_t n, const char *lower)
{
    return n == strlen(lower) && strncasecmp(s, lower, n) == 0;
}

static void find_validators(const struct httpmsg *m, struct validators *v)
{
    struct httpmsg_line l;
    const char *at = NULL;

    memset(v, 0, sizeof(*v));
    while (httpmsg_next(m, &at, &l)) {
        if (l.kind != HTTPMSG_HEADER)
            continue;
        if (is(l.name, l.name_len, "etag") && l.value_len < sizeof(v->etag))
            memcpy(v->etag, l.value, l.value_len); /* zeros follow */
        if (is(l.name, l.name_len, "last-modified") ||
            (!v->modified && is(l.name, l.name_len, "date"))) {
            v->modified = l.value;
            v->modified_len = l.value_len;
            v->dated = l.name_len == strlen("date");
        }
    }
}

/* --- conditions --- */

/* If-None-Match compares weakly: without the mark of a weak tag. */
static const char *strong_part(const char *etag)
{
    return strncmp(etag, "W/", 2) == 0 ? etag + 2 : etag;
}

/* A list of tags as C strings, for conditional.h. */
static int matches(void *ctx, const char *value, size_t n)
{
    const struct validators *v = ctx;
    char *list = mem_alloc(n + 1);
    int found;

    if (!list)
        return 0;
    memcpy(list, value, n);
    list[n] = '\0';
    found = conditional_etag_matches(list, *v->etag ? strong_part(v->etag) : NULL);
    mem_free(list);
    return found;
}

/* RFC 9110, 13.1.3; RFC 9111, 4.3.2: without a Last-Modified the Date counts. */
static int is_unmodified(const struct web *w, const struct validators *v)
{
    int64_t now = (int64_t)(clock_wall_ns() / 1000000000), since, modified;
    const char *text;
    size_t n;

    text = web_header(w, "if-modified-since", &n);
    return text && v->modified && httpdate_read(text, n, now, &since) &&
           httpdate_read(v->modified, v->modified_len, now, &modified) && modified <= since;
}

static int is_not_modified(const struct web *w, struct validators *v)
{
    size_t n;

    if (!w->conditional)
        return 0;
    if (web_header(w, "if-none-match", &n))
        return web_any(w, "if-none-match", matches, v);
    return is_unmodified(w, v);
}

/* A header as a C string; NULL: it is not there, or too long. */
static const char *text_of(const struct web *w, const char *name, char *out, size_t size)
{
    size_t n;
    const char *value = web_header(w, name, &n);

    if (!value || n >= size)
        return NULL;
    memcpy(out, value, n);
    out[n] = '\0';
    return out;
}

/* RFC 9110, 13.1.5: the copy must be the very same. */
static int range_holds(const struct web *w, const struct validators *v)
{
    char text[MAX_ETAG];
    size_t n;

    if (!web_header(w, "if-range", &n))
        return 1;
    if (!text_of(w, "if-range", text, sizeof(text)))
        return 0;
    if (*text == '"' || *text == 'W') /* a weak tag is strongly equal to none */
        return *v->etag == '"' && conditional_etag_is(text, v->etag);
    return v->modified && !v->dated && strlen(text) == v->modified_len &&
           memcmp(text, v->modified, v->modified_len) == 0;
}

static void choose_range(const struct web *w, const struct validators *v, struct part *p)
{
    char text[256];
    const char *range = text_of(w, "range", text, sizeof(text));

    if (!range || w->head || !range_holds(w, v))
        return;
    p->status = conditional_cut(p->status, range, &p->bytes, &p->n, p->range);
}

static void choose_part(const struct web *w, const struct httpmsg *m, struct part *p)
{
    struct validators v;

    if (m->status != 200 || !w->get || !(w->conditional || w->ranged))
        return;
    find_validators(m, &v);
    if (is_not_modified(w, &v))
        p->status = 304;
    else if (w->ranged)
        choose_range(w, &v, p);
}

/* --- headers --- */

/* An answer without content describes none (RFC 9110, 15.4.5). Of the content only its place. */
static int is_of_content(const char *name)
{
    return strncasecmp(name, "content-", 8) == 0 && strcasecmp(name, "content-location") != 0;
}

/* libmicrohttpd takes neither empty values nor tabs. */
static void add(struct MHD_Response *r, const char *name, char *value)
{
    char *tab;

    for (tab = value; (tab = strchr(tab, '\t')); tab++)
        *tab = ' ';
    if (*value)
        MHD_add_response_header(r, name, value);
}

/* A kept message has an Age of its own; any other keeps that of the origin. */
static int is_left_out(const struct httpmsg *m, const struct part *p, const char *name)
{
    return (!(m->flags & HTTPMSG_ONCE) && strcasecmp(name, "age") == 0) ||
           (p->status == 304 && is_of_content(name)) ||
           (p->range[0] && strcasecmp(name, "content-range") == 0);
}

/* 0: no memory. */
static int add_lines(struct MHD_Response *r, const struct httpmsg *m, const struct part *p, int own)
{
    char *copy = mem_alloc(m->lines_len + 1), *name, *value;
    struct httpmsg_line l;
    const char *at = NULL;

    if (!copy)
        return 0;
    memcpy(copy, m->lines, m->lines_len);
    while (httpmsg_next(m, &at, &l)) {
        if (l.kind == HTTPMSG_VARY || (l.kind == HTTPMSG_FOR_ONE && !own))
            continue;
        name = copy + (l.name - m->lines);
        value = copy + (l.value - m->lines);
        name[l.name_len] = '\0';
        value[l.value_len] = '\0';
        if (!is_left_out(m, p, name))
            add(r, name, value);
    }
    mem_free(copy);
    return 1;
}

static void add_number(struct MHD_Response *r, const char *name, uint64_t n)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
    MHD_add_response_header(r, name, text);
}

static void add_status(struct MHD_Response *r, const struct httpmsg *m, enum web_came came,
                       int64_t left_ms, int own)
{
    static const char *const words[] = {
        [WEB_HIT] = "hit",
        [WEB_MISS] = "fwd=uri-miss",
        [WEB_STALE] = "fwd=stale",
        [WEB_VARY_MISS] = "fwd=vary-miss",
        [WEB_REQUEST] = "fwd=request",
        [WEB_BYPASS] = "fwd=bypass",
    };
    char text[128];
    int n = snprintf(text, sizeof(text), "groupcache; %s", words[came]);

    if (!(m->flags & HTTPMSG_ONCE))
        n += snprintf(text + n, sizeof(text) - (size_t)n, "; ttl=%lld", (long long)left_ms / 1000);
    if (came != WEB_HIT && !(m->flags & HTTPMSG_ONCE))
        n += snprintf(text + n, sizeof(text) - (size_t)n, "; stored");
    if (came != WEB_HIT && !own)
        snprintf(text + n, sizeof(text) - (size_t)n, "; collapsed");
    MHD_add_response_header(r, "Cache-Status", text);
}

/* What of an answer is this node's word. */
static void add_own(struct MHD_Response *r, struct group *g, const struct web *w,
                    const struct httpmsg *m, const struct result *result, enum web_came came)
{
    int64_t left_ms = httpmsg_left_ms(m, item_expires_ms(result->item), clock_ms());
    uint64_t age_s = httpmsg_age_s(m, left_ms);

    if (!(m->flags & HTTPMSG_ONCE) && (age_s || came == WEB_HIT))
        add_number(r, "Age", age_s);
    MHD_add_response_header(r, "X-Cache", source_name(result->source));
    if (group_http(g) & HTTP_SAY_STATUS)
        add_status(r, m, came, left_ms, m->id == w->id);
}

/* --- the answer --- */

static int answer_other(const struct answer_to *to, struct group *g, struct item *it)
{
    struct error e;

    item_unref(it);
    error_set(&e, ERR_GETTER, "group %s: the value of this key is no HTTP message", group_name(g));
    return answer_error(to, &e);
}

int web_answer(const struct answer_to *to, struct group *g, const struct web *w, struct result *r,
               enum web_came came)
{
    struct result taken = *r;
    struct MHD_Response *response;
    struct httpmsg m;
    struct part p;
    struct error e;

    r->item = NULL;
    if (!httpmsg_read(&m, item_value(taken.item), taken.item->value_len))
        return answer_other(to, g, taken.item);
    p = (struct part){.status = m.status, .bytes = m.body, .n = m.body_len};
    choose_part(w, &m, &p);
    access_note_source(source_name(taken.source));
    access_note_bytes(p.n);
    if (p.n && !w->head)
        tls_expect_body();
    item_ref(taken.item); /* the response takes one */
    response = answer_response(to, taken.item, NULL, p.bytes, p.n, !w->head && p.status != 304, &e);
    if (response && !add_lines(response, &m, &p, m.id == w->id)) {
        MHD_destroy_response(response);
        response = NULL;
        error_set(&e, ERR_NOMEM, "no memory for the headers of an answer");
    }
    if (response && p.range[0])
        MHD_add_response_header(response, "Content-Range", p.range);
    if (m.lines_len >= LARGE_HEAD)
        last_words_large();
    if (response)
        add_own(response, g, w, &m, &taken, came);
    if (response && m.id == w->id && w->takes_interim)
        web_interim_send(to->connection, m.interim, m.interim_len);
    item_unref(taken.item);
    return response ? answer_queue(to, p.status, response) : answer_error(to, &e);
}
