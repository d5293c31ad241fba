/* SPDX-License-Identifier: MIT */
/* node_script.h - a script that has run in the VM of a control worker, which has no thread yet. */
#ifndef NODE_SCRIPT_H
#define NODE_SCRIPT_H

struct error;
struct lua_State;
struct script;
struct vm;
struct worker;

#define BIND_PRELUDE "groupcache.guard" /* what getters may not do */

/* A userdata. */
struct bind_node_script {
    struct worker *worker;
    struct vm *vm; /* the worker's; NULL once closed, or once a node has taken the worker */
    struct script *script;
};

/* The script at that index, which is not closed. Raises. */
struct bind_node_script *bind_node_script_check(struct lua_State *L, int index);

/* Pushes nil, message, code: the whole message if the script has failed in a VM. */
int bind_node_script_error(struct lua_State *L, const struct bind_node_script *s,
                           const struct error *e);

/* A node takes the worker. The script's text stays. */
struct worker *bind_node_script_give_worker(struct bind_node_script *s);

#endif
