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

/* --- nodes --- */

int doors_admit_peer(struct server *s, struct answer_to *to, const struct tls_conn *tls, int *ok)
{
    struct error e;

    if (!s->opts.tls || tls_auth(s->opts.tls) != TLS_AUTH_PEERS)
        return 1;
    to->proven = tls_is_verified(tls);
    if (to->proven)
        return 1;
    error_set(&e, ERR_INVAL, "only a node with a certificate of this node's tls.ca is served at %s",
              s->opts.base_path);
    log_refusal(&s->strangers, "requests to base_path were refused", to, NULL, e.msg);
    return refuse(to, 403, &e, ok);
}

int doors_admit_node(struct server *s, const struct answer_to *to, struct group *g, int *ok)
{
    struct address from;
    struct error e;

    if (header(to, "Origin"))
        error_set(&e, ERR_INVAL, "a page in a browser is no node, and changes nothing here");
    else if (to->ours && !header(to, HEADER_FROM)) /* a page cannot send it without asking first */
        error_set(&e, ERR_INVAL, "a change of our nodes says from whom: " HEADER_FROM);
    else if (to->proven || !changes_check_sender(s->opts.changes, g, sender(to, &from), &e))
        return 1;
    return refuse_change(s, to, g, 403, &e, ok);
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
