/* SPDX-License-Identifier: MIT */
#include "http/answer_form.h"

#include <microhttpd.h>
#include <string.h>

#include "base/mem.h"
#include "http/crowd.h"
#include "http/heading.h"

enum { SLOTS = 64 /* forms that a thread keeps */ };

struct answer_form {
    struct MHD_Response *response; /* a reference */
    char *head;                    /* in libmicrohttpd's copy of the headers */
    const char *first;             /* the name of their first, static */
    size_t head_len, n;
    char bytes[]; /* n */
};

static _Thread_local struct answer_form **mine; /* SLOTS, each NULL or owned; made at first use */

static unsigned slot_of(size_t head_len, size_t n)
{
    return (unsigned)(head_len * 31 + n) % SLOTS;
}

static void form_free(struct answer_form *f)
{
    if (!f)
        return;
    if (f->response)
        MHD_destroy_response(f->response);
    mem_free(f);
}

/* NULL: no memory, or libmicrohttpd has no copy that can be changed. */
static struct answer_form *form_new(const struct heading *h, size_t n)
{
    struct answer_form *f = mem_alloc(sizeof(*f) + n);

    if (!f)
        return NULL;
    *f = (struct answer_form){.first = h->first, .head_len = h->n, .n = n};
    f->response = MHD_create_response_from_buffer(n, f->bytes, MHD_RESPMEM_PERSISTENT);
    f->head = f->response ? heading_give(h, f->response) : NULL;
    if (f->head)
        return f;
    form_free(f);
    return NULL;
}

/* A form for such an answer that the thread has, or a new one, or NULL. */
static struct answer_form *take(const struct heading *h, size_t n)
{
    struct answer_form **slot, *f;

    if (!mine)
        mine = mem_zalloc(SLOTS * sizeof(struct answer_form *));
    slot = &mine[slot_of(h->n, n)];
    f = *slot;
    if (!f || f->n != n || f->head_len != h->n || strcmp(f->first, h->first) != 0)
        return form_new(h, n);
    *slot = NULL;
    heading_write(h, f->head);
    return f;
}

int answer_form_queue(struct guest *to, const struct heading *h, const void *bytes, size_t n)
{
    struct answer_form *f;

    if (n > ANSWER_FORM_BYTES || !heading_is_whole(h))
        return -1;
    answer_form_end(to);
    f = take(h, n);
    if (!f)
        return -1;
    memcpy(f->bytes, bytes, n);
    to->form = f;
    return (int)MHD_queue_response(to->connection, MHD_HTTP_OK, f->response);
}

void answer_form_end(struct guest *of)
{
    struct answer_form *f = of->form, **slot;

    if (!f)
        return;
    of->form = NULL;
    slot = mine ? &mine[slot_of(f->head_len, f->n)] : &f;
    if (slot != &f) {
        form_free(*slot);
        *slot = f;
    } else {
        form_free(f);
    }
}

void answer_form_deinit(void)
{
    int i;

    for (i = 0; mine && i < SLOTS; i++)
        form_free(mine[i]);
    mem_free(mine);
    mine = NULL;
}
