/* SPDX-License-Identifier: MIT */
/* reaper.h - the first process of a container, to which the kernel gives all orphans.
 *
 * A getter that starts a command in the background makes an orphan, and a process must wait for its
 * end. The node cannot: pclose() and libraries wait for their own children, which the node cannot
 * tell from others. So the first process does nothing else. */
#ifndef REAPER_H
#define REAPER_H

/* In the process of id 1: returns in a child. The first process itself passes signals on, reaps,
 * and ends with the child's status. In any other process: does nothing. To be called before there
 * are threads. */
void reaper_start(void);

#endif
