/* SPDX-License-Identifier: MIT */
/* view.h - finds peers of a list by their URLs, and URLs that a list has twice, for lists of
 * thousands; counts who is listed. The caller guards the view. */
#ifndef VIEW_H
#define VIEW_H

#include <stddef.h>

struct peer;
struct view;

/* Makes the index of v->list, which does not change any more. The owner frees v->by_url. */
void view_index(struct view *v);

/* The peer of that URL, borrowed, or NULL. */
struct peer *view_find(const struct view *v, const char *url);

/* The place of the first name that is the same as an earlier one, or n. Borrows the names. Sorts
 * them, so it takes n log n steps. */
size_t view_repeated(const char *const *names, size_t n);

/* Peers come into the list, or leave it: only those in the list count as different. A peer that is
 * in the old and in the new list comes before it leaves. The caller has references. */
void view_listed(struct peer *const *list, size_t n, int in);

#endif
