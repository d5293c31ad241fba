/* SPDX-License-Identifier: MIT */
#include "http/last_words.h"

#include <stdio.h>
#include <string.h>

#include "http/framing.h"
#include "http/move.h"
#include "http/refusal.h"

/* The connection that libmicrohttpd works on: the last that it called us about. */
static _Thread_local struct last_words *asking;

static _Thread_local unsigned bodies; /* in chunks, under way */

void last_words_init(struct last_words *w, struct move *m)
{
    w->move = m;
}

void last_words_called(struct last_words *w)
{
    asking = w;
    w->large = 0;
}

void last_words_large(void)
{
    if (asking)
        asking->large = 1;
}

void last_words_body(struct last_words *w)
{
    w->chunked = 1;
    bodies++;
}

void last_words_ended(struct last_words *w)
{
    if (w->chunked)
        bodies--;
    w->chunked = 0;
}

/* Whether the fault is in a header. The text has the page that libmicrohttpd 1.0 would send, which
 * says where the fault is. It says the same of a bare CR or LF in a header and in a first line. */
static int is_in_header(const char *log_text)
{
    return strstr(log_text, "header") && !strstr(log_text, "bare");
}

/* The unfinished head in which libmicrohttpd 1.0 has found a fault, or NULL. Such heads do not move
 * there, so nothing is known if there are several. */
static struct move *unfinished_1_0(int status, const char *log_text)
{
    struct move *m = move_only();

    if (status == 400)
        return m && is_in_header(log_text) ? m : NULL;
    return status == 431 && !bodies ? m : NULL;
}

/* The unfinished head in which libmicrohttpd has found a fault, or NULL. Only the head that began
 * last can be meant with 0.9: all others have moved (move.c). But the fault may also be in a first
 * line, or in a body in chunks, of which we do not know. */
static struct move *unfinished(int status, const char *log_text, size_t room)
{
    struct move *m = move_latest();

    if (!m)
        return NULL;
    if (!framing_is_in_place())
        return unfinished_1_0(status, log_text);
    if (status == 400)
        return framing_lacks_colon(m->connection, m->version, room) ? m : NULL;
    return status == 431 && !bodies ? m : NULL;
}

/* Our answer does not fit beside its request. */
static int lacks_room(const char *log_text)
{
    return asking && strstr(log_text, "failed to create response header");
}

static void answer_without_room(int tls)
{
    int status = asking->large ? 502 : 431;

    if (tls)
        refusal_send_tls(asking->move->connection, status);
    else if (!move_is_unanswered(asking->move))
        move_refuse(asking->move, status);
}

void last_words_heard(const char *log_text, size_t room, int tls)
{
    struct move *m;
    int status;

    if (lacks_room(log_text))
        answer_without_room(tls);
    if (tls)
        return;
    if (sscanf(log_text, "Error processing request (HTTP response code is %d", &status) != 1)
        return;
    m = move_with_whole_head();
    if (m && (move_is_under_way(m) || (status == 431 && move_whole(m))))
        return; /* only a piece of the head was seen, or its cookies had no room */
    if (!m)
        m = unfinished(status, log_text, room);
    if (m && refusal_has(status))
        move_refuse(m, status);
}

int last_words_are_known(const char *log_text)
{
    return asking && move_is_away(asking->move) && strstr(log_text, "Application reported");
}

void last_words_closed(struct last_words *w)
{
    last_words_ended(w);
    if (asking == w)
        asking = NULL;
}
