/* SPDX-License-Identifier: MIT */
#include "http/changing.h"

#include <microhttpd.h>

#include "base/json_out.h"
#include "http/server_in.h"

void changing_init(struct changing *c)
{
    c->parking = NULL;
    c->ended = 0;
    c->err = (struct error){.code = ERR_OK};
    buf_init(&c->unconfirmed, 0);
}

void changing_deinit(struct changing *c)
{
    buf_deinit(&c->unconfirmed);
}

static void on_done(void *ctx, const struct change_result *r)
{
    struct changing *c = ctx;
    struct json_out list;
    size_t i;

    c->ended = 1;
    c->err = r->err;
    json_out_begin(&list, &c->unconfirmed, '[');
    for (i = 0; i < r->n_unconfirmed; i++)
        json_out_text(&list, NULL, r->unconfirmed[i]);
    json_out_close(&list);
    server_loop_unpark(c->parking);
}

int changing_start(struct changing *c, struct job *j, struct change_opts *o)
{
    int ok;

    if (!job_may_park(j, &ok))
        return ok;
    c->parking = &j->parking;
    o->group = j->group;
    o->done = on_done;
    o->ctx = c;
    server_loop_park(&j->parking, j->to.connection); /* before on_done() can run */
    change_start(j->server->opts.changes, o);
    return MHD_YES;
}

int changing_has_ended(const struct changing *c)
{
    return c->ended;
}

/* Answers with the change's error and the unconfirmed nodes. */
static int answer_unconfirmed(struct changing *c, struct job *job)
{
    struct json_out j;
    struct buf out;
    int ok;

    buf_init(&out, 0);
    json_out_begin(&j, &out, '{');
    json_out_error(&j, &c->err);
    json_out_raw(&j, "missing", c->unconfirmed.data, c->unconfirmed.len);
    json_out_close(&j);
    buf_puts(&out, "\n");
    ok = answer_buf(job_to(job), 502, "application/json", &out);
    buf_deinit(&out);
    return ok;
}

int changing_answer(struct changing *c, struct job *j)
{
    if (!c->err.code)
        return answer_done(job_to(j));
    if (c->err.code == ERR_PEER && !c->unconfirmed.failed)
        return answer_unconfirmed(c, j);
    return answer_error(job_to(j), &c->err);
}
