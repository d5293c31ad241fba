/* SPDX-License-Identifier: MIT */
/* trace.h - logs errors that a script threw, with their tracebacks.
 *
 * A getter may fail at each load, so the same text is logged again only after a while. */
#ifndef TRACE_H
#define TRACE_H

struct lua_State;

/* The error value is on top of co's stack, which is left as it is. `what` is the message of the
 * line, `fields` its first key=value pairs. L is a state of the same VM, which may be co itself.
 * Does not raise. */
void trace_thrown(struct lua_State *L, struct lua_State *co, const char *what, const char *fields);

/* The same, with a text in place of the error value. */
void trace_text(struct lua_State *L, struct lua_State *co, const char *text, const char *what,
                const char *fields);

#endif
