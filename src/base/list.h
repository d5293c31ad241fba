/* SPDX-License-Identifier: MIT */
/* list.h - circular doubly linked list with a sentinel, links embedded in what they link.
 *
 * An element not on a list links to itself, so list_del() is safe twice and list_linked() works. */
#ifndef LIST_H
#define LIST_H

#include <stddef.h>

struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline int list_empty(const struct list *l)
{
    return l->next == l;
}

static inline int list_linked(const struct list *l)
{
    return l->next != l;
}

static inline void list_insert_between(struct list *l, struct list *prev, struct list *next)
{
    l->prev = prev;
    l->next = next;
    prev->next = l;
    next->prev = l;
}

static inline void list_push_front(struct list *head, struct list *l)
{
    list_insert_between(l, head, head->next);
}

static inline void list_push_back(struct list *head, struct list *l)
{
    list_insert_between(l, head->prev, head);
}

static inline void list_del(struct list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}

/* Moves an element that is on a list to the front of this one. */
static inline void list_move_front(struct list *head, struct list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_push_front(head, l);
}

/* Takes the first element off, NULL when there is none. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *l = head->next;

    if (l == head)
        return NULL;
    list_del(l);
    return l;
}

/* Moves all of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define list_entry(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define list_each(it, head) for ((it) = (head)->next; (it) != (head); (it) = (it)->next)

/* The same when the body may take `it` off the list. */
#define list_each_safe(it, tmp, head)                                                              \
    for ((it) = (head)->next, (tmp) = (it)->next; (it) != (head); (it) = (tmp), (tmp) = (it)->next)

#endif
