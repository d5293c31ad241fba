/* SPDX-License-Identifier: MIT */
/* handle.h - a program's hold on a group. The program's thread. */
#ifndef HANDLE_H
#define HANDLE_H

#include <lua.h>
#include <stddef.h>

struct changes;
struct flight;
struct group;
struct reader;

/* The fields up to `age` are read by handle.lua through the FFI. */
struct handle {
    int source, place;       /* of the last recall() that hit */
    const char *value;       /* borrowed from the reader */
    int value_len;           /* an item has 1 GiB at most */
    unsigned age;            /* of the reader */
    struct group *group;     /* a reference */
    struct reader *reader;   /* of the program's thread; set with group */
    struct changes *changes; /* borrowed, until the group is closed; NULL: it is alone */
    size_t max_key_bytes;    /* 0: no bound */
    struct flight *begun;    /* of a group alone: the flight that its loader has just got */
    void *held;              /* an item, while its value is pushed, which may raise */
};

/* The handle at that index. Raises when it was collected: finalizers may still see it when the
 * state is closed. */
struct handle *handle_check(lua_State *L, int index);

/* Pushes an empty handle. Its __gc releases the fields that are set later. */
struct handle *handle_new(lua_State *L);

/* The group of the handle at index 1, a reference; changes as in which_group(). */
struct group *handle_group(lua_State *L, struct changes **changes);

#endif
