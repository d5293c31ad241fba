/* SPDX-License-Identifier: MIT */
/* terminal.h - the terminal of a live view: keys without Enter and without echo, on another screen,
 * until it is given back, also when a signal ends the process. One for the process. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "base/err.h"

/* Takes the terminal that stdin and stdout are. INVAL: it is none, or is taken already. */
enum err terminal_take(struct error *e);

/* Nothing happens if it is not taken. Any thread; async-signal-safe. */
void terminal_give_back(void);

#endif
