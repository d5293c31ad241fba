/* SPDX-License-Identifier: MIT */
/* web_answer.h - the answer to a client of a group that is an HTTP cache: a kept or a new message.
 *
 * HTTP threads only, for the connection that is being handled. */
#ifndef WEB_ANSWER_H
#define WEB_ANSWER_H

#include "http/web.h"

struct answer_to;
struct group;
struct result;

/* Where the answer comes from, in the words of Cache-Status (RFC 9211). */
enum web_came {
    WEB_HIT,
    WEB_MISS,      /* nothing was kept */
    WEB_STALE,     /* it was kept, and stale */
    WEB_VARY_MISS, /* other variants were kept */
    WEB_REQUEST,   /* the request wanted a new one */
    WEB_BYPASS     /* neither looked up nor kept */
};

/* Answers with r->item, a message, and what the request wants of it (RFC 9110, 13 and 14). Takes
 * the reference. Returns what MHD's access handler returns. */
int web_answer(const struct answer_to *to, struct group *g, const struct web *w, struct result *r,
               enum web_came came);

#endif
