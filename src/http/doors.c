/* SPDX-License-Identifier: MIT */
#include "http/doors.h"

#include <microhttpd.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/networks.h"
#include "base/seldom.h"
#include "cache/group.h"
#include "change/change.h"
#include "http/server_in.h"
#include "http/tls.h"

#define BEARER "Bearer "

static const char *header(const struct answer_to *to, const char *name)
{
    return MHD_lookup_connection_value(to->connection, MHD_HEADER_KIND, name);
}

/* The address that a request came from, in *out; NULL: it has none. */
static const struct address *sender(const struct answer_to *to, struct address *out)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(to->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    return address_of(info->client_addr, out) ? out : NULL;
}

/* group is NULL if the request was refused before its group was known. */
static void log_refusal(struct seldom *seldom, const char *what, const struct answer_to *to,
                        const char *group, const char *why)
{
    unsigned count = seldom_count(seldom);
    char text[ADDRESS_TEXT] = "";
    struct address from;

    if (!count)
        return;
    if (sender(to, &from))
        address_put(&from, text);
    log_warn("server", what, "count=%u%s%s sender=%s text=\"%s\"", count, group ? " group=" : "",
             group ? group : "", text, why);
}

/* The connection ends, since the rest of a body may come. */
static int refuse(const struct answer_to *to, int status, const struct error *e, int *ok)
{
    struct answer_to last = *to;

    last.close = 1;
    *ok = answer_status(&last, status, e);
    return 0;
}

static int refuse_change(struct server *s, const struct answer_to *to, struct group *g, int status,
                         const struct error *e, int *ok)
{
    log_refusal(&s->refusals, "changes were refused", to, group_name(g), e->msg);
    return refuse(to, status, e, ok);
}

void doors_note_late(struct server *s, const struct answer_to *to, struct group *g,
                     const struct error *e)
{
    log_refusal(&s->refusals, "changes were refused", to, group_name(g), e->msg);
}

/* --- nodes --- */

static int refuse_peer(const struct asked *a, int status, const struct error *e, int *ok)
{
    log_refusal(&a->server->strangers, "requests to base_path were refused", &a->to, NULL, e->msg);
    return refuse(&a->to, status, e, ok);
}

/* 1: the connection's certificate proves a node. 0: none is asked for; -1: it is missing. */
static int look_at_certificate(const struct server *s, const struct request_line *line,
                               struct error *e)
{
    if (!s->opts.tls || tls_auth(s->opts.tls) != TLS_AUTH_PEERS)
        return 0;
    if (tls_is_verified(line->tls))
        return 1;
    error_set(e, ERR_INVAL, "only a node with a certificate of this node's tls.ca is served at %s",
              s->opts.base_path);
    return -1;
}

/* 1: the signature proves a node. 0: none is there, nor asked for yet; -1: it is missing or wrong.
 */
static int look_at_signature(const struct asked *a, const struct request_line *line,
                             struct auth_claim *claim, struct error *e)
{
    const struct auth_request r = {.method = line->method, .target = line->target};
    const struct server_opts *o = &a->server->opts;
    const char *value = o->auth ? header(&a->to, HEADER_AUTH) : NULL;

    if (!o->auth || (!value && strcmp(o->peer_secret_for, "changes") == 0))
        return 0;
    if (auth_check(o->auth, &r, value, claim, e))
        return -1;
    if (claim->has_body == a->framing->body)
        return 1;
    error_set(e, ERR_INVAL, HEADER_AUTH ": %s",
              claim->has_body ? "the body is missing" : "the body was not signed");
    return -1;
}

int doors_ask_for_proof(const struct server *s)
{
    return s->opts.auth || s->opts.tls;
}

int doors_admit_peer(struct asked *a, const struct request_line *line, struct auth_claim *claim,
                     int *ok)
{
    int by_certificate, by_signature;
    struct error e;

    by_certificate = look_at_certificate(a->server, line, &e);
    if (by_certificate < 0)
        return refuse_peer(a, 403, &e, ok);
    by_signature = look_at_signature(a, line, claim, &e);
    if (by_signature < 0)
        return refuse_peer(a, 401, &e, ok);
    a->to.proven = by_certificate || by_signature;
    a->to.claim = by_signature ? claim : NULL;
    return 1;
}

/* A signed change is taken once. 0: it may go on; else the status of its refusal. */
static int look_at_nonce(struct server *s, const struct answer_to *to, struct error *e)
{
    if (!to->claim) {
        error_set(e, ERR_INVAL,
                  "a change must have " HEADER_AUTH ", signed with the peer_secret of this node");
        return 401;
    }
    return auth_use_once(s->opts.auth, to->claim, e) == ERR_OK ? 0
           : e->code == ERR_BUSY                               ? 503
                                                               : 401;
}

int doors_admit_node(struct server *s, const struct answer_to *to, struct group *g, int *ok)
{
    struct address from;
    int status = 403;
    struct error e;

    if (header(to, "Origin")) {
        error_set(&e, ERR_INVAL, "a page in a browser is no node, and changes nothing here");
    } else if (to->ours &&
               !header(to, HEADER_FROM)) { /* a page cannot send it without asking first */
        error_set(&e, ERR_INVAL, "a change of our nodes says from whom: " HEADER_FROM);
    } else if (s->opts.auth) {
        status = look_at_nonce(s, to, &e);
        if (!status)
            return 1;
    } else if (to->proven || !changes_check_sender(s->opts.changes, g, sender(to, &from), &e)) {
        return 1;
    }
    return refuse_change(s, to, g, status, &e, ok);
}

/* --- clients --- */

/* Whether the page that sent the request is not of this host. "null" is such a page, too. */
static int is_foreign(const struct answer_to *to)
{
    const char *origin = header(to, "Origin"), *host = header(to, "Host");
    const char *authority = origin ? strstr(origin, "://") : NULL;

    return origin && (!host || !authority || strcasecmp(authority + 3, host) != 0);
}

/* The time that this takes does not depend on the bytes of the token. */
static int is_token(const char *given, size_t given_len, const char *token, size_t n)
{
    unsigned char differs = given_len != n;
    size_t i;

    for (i = 0; i < given_len; i++)
        differs |= (unsigned char)(given[i] ^ token[n ? i % n : 0]);
    return !differs;
}

/* What a group asks of its writers (group_writers()), and whether this request has it. */
struct writers {
    int tokens, networks; /* it asks for one of these */
    int has_token, in_network;
};

static void look_at(struct writers *w, const char *rule, size_t n, const char *given,
                    const struct address *from)
{
    struct networks one = {NULL, 0};
    struct error e;

    if (rule[0] == 't') {
        w->tokens = 1;
        w->has_token |= given && is_token(given, strlen(given), rule + 1, n - 1);
        return;
    }
    w->networks = 1;
    if (from && !networks_add(&one, rule + 1, n - 1, &e))
        w->in_network |= networks_have(&one, from);
    networks_deinit(&one);
}

static struct writers look_at_all(const char *rules, const struct answer_to *to)
{
    const char *given = header(to, "Authorization"), *end;
    struct writers w = {0, 0, 0, 0};
    struct address at;
    const struct address *from = sender(to, &at);

    if (given && strncasecmp(given, BEARER, strlen(BEARER)) == 0)
        given += strlen(BEARER);
    else
        given = NULL;
    for (; (end = strchr(rules, '\n')); rules = end + 1)
        look_at(&w, rules, (size_t)(end - rules), given, from);
    return w;
}

int doors_admit_client(struct server *s, const struct answer_to *to, struct group *g, int *ok)
{
    struct writers w = look_at_all(group_writers(g), to);
    int status = 403;
    struct error e;

    if (!group_opts(g).writable) {
        error_set(&e, ERR_INVAL, "group %s is not writable", group_name(g));
    } else if (is_foreign(to)) {
        error_set(&e, ERR_INVAL, "a page of another host changes nothing here");
    } else if (w.networks && !w.in_network) {
        error_set(&e, ERR_INVAL, "group %s is not writable from this address", group_name(g));
    } else if (w.tokens && !w.has_token) {
        status = 401;
        error_set(&e, ERR_INVAL, "group %s is writable with \"Authorization: Bearer TOKEN\" only",
                  group_name(g));
    } else {
        return 1;
    }
    return refuse_change(s, to, g, status, &e, ok);
}
