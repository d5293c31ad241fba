/* SPDX-License-Identifier: MIT */
/* net.c - the virtual network: the functions of net/net.h and net/fetch.h that peer/ and change/
 * use.
 *
 * An exchange is a request that arrives after a delay, and an answer in pieces, each after a delay.
 * A node that is down refuses. On a cut link nothing arrives: the exchange ends by its connect
 * timeout if it has begun on a cut link, else by its whole time. An exchange may be cut behind its
 * request, whose effect then stays; a repeatable one may be sent a second time. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/timers.h"
#include "net/fetch.h"
#include "net/net.h"
#include "sim.h"

enum { MAX_HEADERS = 8, FAST_MS = 2, LATE_MS = 20, IDLE_CONNECT_MS = 200 };

struct link sim_links[SIM_NODES][SIM_NODES];

struct net {
    int node;
    int closed;
    struct list fetches; /* struct fetch */
    struct list posts;   /* struct post */
    struct list timers;  /* struct alarm */
    struct list later;   /* struct net_later */
};

struct header {
    char *name, *value;
};

/* At the side that answers. Either side may end first. */
struct call {
    unsigned refs;
    struct fetch *fetch; /* NULL: who asked has given up */
    int from, to;
    unsigned life; /* of the node that answers */
    char *method, *path, *body;
    char *asked; /* the headers of the request, each with a line end */
    size_t body_len;
    int status;
    struct header headers[MAX_HEADERS];
    int n_headers;
    struct event arrival;
    uint64_t last_ms; /* pieces arrive in order */
    int lost;         /* the answer does not arrive */
};

struct fetch {
    struct list link;
    struct net *net;
    unsigned refs;
    struct fetch_opts o;
    char *url;
    struct buf headers; /* each with a line end, and a NUL */
    struct call *call;  /* the exchange under way */
    struct event late;
    uint64_t number;
    int repeats; /* left */
    int ended, has_begun, has_head, sent;
    int unreached;
    enum fetch_phase phase;
    struct error err;
    struct buf body;
};

/* What an exchange's chances depend on: not on how many there were before, so that these stay the
 * same if an act is left out. */
static uint64_t mark_of(const struct fetch *f, int from, int to)
{
    uint64_t mark = clock_ms() << 8 | (uint64_t)from << 4 | (uint64_t)to;

    return mark ^ hash_fnv1a_64(f->url, strlen(f->url)) << 32 ^
           hash_fnv1a_64(f->o.body, f->o.body_len) << 40;
}

/* --- calls --- */

static void call_unref(struct call *c)
{
    int i;

    if (--c->refs)
        return;
    for (i = 0; i < c->n_headers; i++) {
        free(c->headers[i].name);
        free(c->headers[i].value);
    }
    free(c->method);
    free(c->path);
    free(c->body);
    free(c->asked);
    free(c);
}

int call_from(const struct call *c)
{
    return c->from;
}

const char *call_method(const struct call *c)
{
    return c->method;
}

const char *call_path(const struct call *c)
{
    return c->path;
}

const char *call_body(const struct call *c, size_t *n)
{
    *n = c->body_len;
    return c->body;
}

const char *call_asked(const struct call *c, const char *name, char out[CALL_TEXT])
{
    const char *at = strstr(c->asked, name);

    if (!at || at[strlen(name)] != ':')
        return NULL;
    at += strlen(name) + 2;
    snprintf(out, CALL_TEXT, "%.*s", (int)strcspn(at, "\n"), at);
    return out;
}

void call_head(struct call *c, int status)
{
    c->status = status;
}

void call_header(struct call *c, const char *name, const char *value)
{
    struct header *h = &c->headers[c->n_headers++];

    if (c->n_headers > MAX_HEADERS)
        abort();
    h->name = strdup(name);
    h->value = strdup(value);
}

/* --- delays --- */

static uint64_t delay(const struct call *c, uint64_t salt)
{
    const struct link *l = &sim_links[c->from][c->to];
    uint64_t number = c->fetch ? c->fetch->number : 0;

    /* One in 32 is a bit late, also if nothing is wrong. */
    uint64_t late_ms = sim_random(number, salt + 200, 32) ? 0 : LATE_MS;

    return sim_random(number, salt, FAST_MS + late_ms + 1) +
           (l->slow_ms ? sim_random(number, salt + 100, l->slow_ms) : 0);
}

static int is_cut(int from, int to)
{
    return sim_links[from][to].state == LINK_CUT || sim_links[to][from].state == LINK_CUT;
}

/* --- the end of an exchange --- */

static void forget_call(struct fetch *f)
{
    if (f->call) {
        f->call->fetch = NULL;
        call_unref(f->call);
        f->call = NULL;
    }
}

static void say_begun(struct fetch *f)
{
    if (!f->has_begun && f->o.begun)
        f->o.begun(f->o.ctx, f);
    f->has_begun = 1;
}

static void end(struct fetch *f)
{
    if (f->ended)
        return;
    say_begun(f);
    f->ended = 1;
    events_cancel(&f->late);
    list_del(&f->link);
    f->o.done(f->o.ctx, f);
    forget_call(f);
    fetch_unref(f);
}

static void fail(struct fetch *f, enum fetch_phase phase, enum err code, const char *why)
{
    if (f->ended)
        return;
    f->phase = phase;
    f->body.len = 0;
    error_set(&f->err, code, "%s", why);
    end(f);
}

static void on_late(struct event *ev)
{
    struct fetch *f = list_entry(ev, struct fetch, late);

    fail(f, FETCH_TIMED_OUT, ERR_TIMEOUT, "no answer in time");
}

/* --- pieces of an answer --- */

struct piece {
    struct event ev;
    struct call *call;
    enum { PIECE_HEAD, PIECE_BODY, PIECE_END } kind;
    size_t n;
    char bytes[];
};

static void heard(struct fetch *f)
{
    if (f->has_head)
        return;
    f->has_head = 1;
    if (f->o.heard)
        f->o.heard(f->o.ctx, f);
}

static void take_data(struct fetch *f)
{
    size_t taken;

    if (!f->o.data || f->call->status != 200 || !f->body.len)
        return;
    taken = f->o.data(f->o.ctx, f->body.data, f->body.len);
    if (taken == FETCH_NO_MORE) {
        fail(f, FETCH_NO_ANSWER, ERR_PEER, f->o.flaw);
        return;
    }
    memmove(f->body.data, f->body.data + taken, f->body.len - taken);
    f->body.len -= taken;
}

static void on_piece(struct event *ev)
{
    struct piece *p = list_entry(ev, struct piece, ev);
    struct fetch *f = p->call->fetch;

    /* A cut link sends it later, or never: until then the other side waits. */
    if (f && is_cut(p->call->from, p->call->to)) {
        events_set(&p->ev, f->net->node, 50, on_piece);
        return;
    }
    if (f && !f->ended) {
        heard(f);
        if (p->kind == PIECE_BODY) {
            buf_put(&f->body, p->bytes, p->n);
            take_data(f);
        } else if (p->kind == PIECE_END) {
            f->phase = FETCH_ANSWERED;
            end(f);
        }
    }
    call_unref(p->call);
    free(p);
}

static void send_piece(struct call *c, int kind, const void *bytes, size_t n)
{
    struct piece *p;
    uint64_t now = clock_ms(), at;

    if (!c->fetch || c->lost)
        return;
    p = calloc(1, sizeof(*p) + n);
    if (!p)
        abort();
    p->call = c;
    c->refs++;
    p->kind = kind;
    p->n = n;
    if (n)
        memcpy(p->bytes, bytes, n);
    at = now + delay(c, 10 + c->last_ms % 7);
    c->last_ms = at > c->last_ms ? at : c->last_ms + 1; /* strictly in order */
    events_set(&p->ev, c->fetch->net->node, c->last_ms - now, on_piece);
}

void call_begun(struct call *c)
{
    send_piece(c, PIECE_HEAD, NULL, 0);
}

void call_put(struct call *c, const void *bytes, size_t n)
{
    send_piece(c, PIECE_BODY, bytes, n);
}

void call_end(struct call *c)
{
    send_piece(c, PIECE_END, NULL, 0);
    call_unref(c);
}

/* --- requests --- */

static void try_again(struct fetch *f);

/* Behind the request, before its answer. */
static void on_cut(struct event *ev)
{
    struct fetch *f = list_entry(ev, struct fetch, late);

    if (f->repeats--) {
        forget_call(f);
        try_again(f);
    } else {
        fail(f, FETCH_NO_ANSWER, ERR_PEER, "the connection ended");
    }
}

static void on_refused(struct event *ev)
{
    struct fetch *f = list_entry(ev, struct fetch, late);

    f->unreached = 1;
    fail(f, FETCH_NOT_SENT, ERR_PEER, "refused");
}

static void on_arrival(struct event *ev)
{
    struct call *c = list_entry(ev, struct call, arrival);
    const struct node *n = &sim_nodes[c->to];

    if (is_cut(c->from, c->to)) { /* it is sent again and again */
        if (c->fetch) {
            events_set(&c->arrival, c->to, 50, on_arrival);
            return;
        }
    } else if (n->up && n->life == c->life) {
        c->refs++;
        serve(c->to, c);
    }
    call_unref(c);
}

/* A network carries so many exchanges in a millisecond, the others take one more. Else a change
 * whose exchanges take no time could begin its rounds again for ever, at the same time. */
static uint64_t crowded_ms(void)
{
    enum { MOST = 300 };
    static uint64_t at_ms, n;

    n = clock_ms() == at_ms ? n + 1 : 0;
    at_ms = clock_ms();
    return n > MOST ? 1 : 0;
}

static void try_again(struct fetch *f)
{
    struct call *c = calloc(1, sizeof(*c));
    const char *path = strchr(f->url + 7, '/');
    int from = f->net->node, to = node_of_url(f->url);
    const struct link *l = &sim_links[from][to];
    uint64_t wait_ms, connect_ms = f->o.connect_timeout_ms ? f->o.connect_timeout_ms : 1000;

    if (!c)
        abort();
    f->number = mark_of(f, from, to);
    sim_counts->exchanges++;
    *c = (struct call){.refs = 2,
                       .fetch = f,
                       .from = from,
                       .to = to,
                       .life = sim_nodes[to].life,
                       .method = strdup(f->o.method ? f->o.method : "GET"),
                       .path = strdup(path ? path : "/"),
                       .asked = strdup(f->headers.data),
                       .body_len = f->o.body_len};
    c->body = malloc(c->body_len + 1);
    if (c->body_len)
        memcpy(c->body, f->o.body, c->body_len);
    f->call = c;
    wait_ms = delay(c, 1) + crowded_ms();
    if (is_cut(from, to) && connect_ms < f->o.timeout_ms) {
        events_set(&f->late, from, connect_ms, on_refused);
        call_unref(c);
    } else if (!sim_nodes[to].up || l->state == LINK_REFUSES) {
        events_set(&f->late, from, wait_ms, on_refused);
        call_unref(c);
    } else {
        f->sent = 1;
        if (l->cuts && sim_random(f->number, 2, 1000) < l->cuts) {
            c->lost = 1;
            events_set(&f->late, from, wait_ms + sim_random(f->number, 4, 20), on_cut);
        } else {
            c->lost = l->loss && sim_random(f->number, 3, 1000) < l->loss;
            events_set(&f->late, from, f->o.timeout_ms, on_late);
        }
        events_set(&c->arrival, to, wait_ms, on_arrival);
    }
}

static void begin(struct fetch *f)
{
    say_begun(f);
    try_again(f);
}

static void on_begin(struct event *ev)
{
    begin(list_entry(ev, struct fetch, late));
}

struct fetch *fetch_start(struct net *n, const struct fetch_opts *o, struct error *e)
{
    struct fetch *f;
    size_t i;

    if (n->closed) {
        error_set(e, ERR_CLOSED, "the node is stopping");
        return NULL;
    }
    f = calloc(1, sizeof(*f));
    if (!f)
        abort();
    f->net = n;
    f->refs = 2;
    f->o = *o;
    f->o.timeout_ms = o->timeout_ms ? o->timeout_ms : 5000;
    f->url = strdup(o->url);
    f->o.body = NULL;
    if (o->body) {
        void *copy = malloc(o->body_len + 1);

        memcpy(copy, o->body, o->body_len);
        f->o.body = copy;
    }
    f->repeats = o->repeatable || !o->method || !strcmp(o->method, "GET");
    buf_init(&f->body, 0);
    buf_init(&f->headers, 0);
    for (i = 0; i < o->n_headers; i++)
        buf_putf(&f->headers, "%s\n", o->headers[i]);
    buf_put(&f->headers, "", 1);
    list_push_back(&n->fetches, &f->link);
    if (o->here)
        begin(f);
    else
        events_set(&f->late, n->node, 0, on_begin);
    return f;
}

static void on_cancel(struct event *ev)
{
    fail(list_entry(ev, struct fetch, late), FETCH_NO_ANSWER, ERR_CLOSED, "cancelled");
}

void fetch_cancel(struct fetch *f)
{
    if (!f->ended)
        events_set(&f->late, f->net->node, 0, on_cancel);
}

void fetch_unref(struct fetch *f)
{
    if (!f || --f->refs)
        return;
    buf_deinit(&f->body);
    buf_deinit(&f->headers);
    free((void *)(size_t)f->o.body);
    free(f->url);
    free(f);
}

const struct error *fetch_error(const struct fetch *f)
{
    return &f->err;
}

int fetch_was_sent(const struct fetch *f)
{
    return f->sent;
}

enum fetch_phase fetch_phase(const struct fetch *f)
{
    return f->phase;
}

int fetch_status(const struct fetch *f)
{
    return f->err.code || !f->call ? 0 : f->call->status;
}

int fetch_unreached(const struct fetch *f)
{
    return f->unreached;
}

int fetch_is_distrusted(const struct fetch *f)
{
    (void)f;
    return 0;
}

struct buf *fetch_body(struct fetch *f)
{
    return &f->body;
}

const char *fetch_header(struct fetch *f, const char *name)
{
    int i;

    if (f->err.code || !f->call)
        return NULL;
    for (i = 0; i < f->call->n_headers; i++)
        if (strcasecmp(f->call->headers[i].name, name) == 0)
            return f->call->headers[i].value;
    return NULL;
}

/* --- the network thread --- */

struct post {
    struct event ev;
    struct list link;
    struct net *net;
    struct msg *msg;
};

static void run_post(struct post *p)
{
    struct msg *m = p->msg;

    events_cancel(&p->ev);
    list_del(&p->link);
    free(p);
    m->run(m);
}

static void on_post(struct event *ev)
{
    run_post(list_entry(ev, struct post, ev));
}

int net_post(struct net *n, struct msg *m)
{
    struct post *p;

    if (n->closed)
        return 0;
    p = calloc(1, sizeof(*p));
    if (!p)
        abort();
    p->net = n;
    p->msg = m;
    list_push_back(&n->posts, &p->link);
    events_set(&p->ev, n->node, 0, on_post);
    return 1;
}

struct alarm {
    struct event ev;
    struct list link;
    struct timer *timer;
};

static void drop_alarm(struct alarm *a)
{
    events_cancel(&a->ev);
    list_del(&a->link);
    a->timer->slot = 0;
    free(a);
}

static void on_alarm(struct event *ev)
{
    struct alarm *a = list_entry(ev, struct alarm, ev);
    struct timer *t = a->timer;

    drop_alarm(a);
    t->run(t);
}

enum err net_timer_set(struct net *n, struct timer *t, uint64_t ms)
{
    struct list *l, *next;
    struct alarm *a;

    if (n->closed)
        return ERR_OK;
    list_each_safe (l, next, &n->timers)
        if (list_entry(l, struct alarm, link)->timer == t)
            drop_alarm(list_entry(l, struct alarm, link));
    a = calloc(1, sizeof(*a));
    if (!a)
        abort();
    a->timer = t;
    t->slot = 1;
    list_push_back(&n->timers, &a->link);
    events_set(&a->ev, n->node, ms, on_alarm);
    return ERR_OK;
}

static void on_later(struct timer *t)
{
    struct net_later *l = list_entry(t, struct net_later, timer);

    list_del(&l->link);
    l->run(l);
}

void net_later(struct net *n, struct net_later *l, uint64_t ms)
{
    l->timer = (struct timer){.run = on_later};
    list_push_back(&n->later, &l->link);
    if (n->closed)
        on_later(&l->timer);
    else
        net_timer_set(n, &l->timer, ms);
}

struct net *net_new(int node)
{
    struct net *n = calloc(1, sizeof(*n));

    if (!n)
        abort();
    n->node = node;
    list_init(&n->fetches);
    list_init(&n->posts);
    list_init(&n->timers);
    list_init(&n->later);
    return n;
}

void net_close(struct net *n)
{
    n->closed = 1;
    while (!list_empty(&n->posts))
        run_post(list_entry(n->posts.next, struct post, link));
    while (!list_empty(&n->fetches))
        fail(list_entry(n->fetches.next, struct fetch, link), FETCH_NOT_SENT, ERR_CLOSED,
             "the node is stopping");
    while (!list_empty(&n->later))
        on_later(&list_entry(n->later.next, struct net_later, link)->timer);
    while (!list_empty(&n->timers))
        drop_alarm(list_entry(n->timers.next, struct alarm, link));
}

void net_free(struct net *n)
{
    free(n);
}

void net_crashed(int node)
{
    struct list *l, *next;
    int i;

    for (i = 0; i < sim_n_nodes; i++) {
        if (!sim_nodes[i].up)
            continue;
        list_each_safe (l, next, &sim_nodes[i].net->fetches) {
            struct fetch *f = list_entry(l, struct fetch, link);

            if (!f->call || node_of_url(f->url) != node || is_cut(i, node))
                continue; /* it has not begun, or nothing arrives that tells */
            f->call->lost = 1;
            events_set(&f->late, i, 1, on_cut);
        }
    }
}
