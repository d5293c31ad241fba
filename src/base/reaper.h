/* SPDX-License-Identifier: MIT */
/* reaper.h - the first process of a container, to which the kernel gives all orphans.
 *
 * A getter that starts a command in the background leaves one behind each time; somebody has to
 * wait for it when it ends. That cannot be the node: pclose() and libraries wait for children of
 * their own, and which those are nobody knows but they. So the first process does nothing else. */
#ifndef REAPER_H
#define REAPER_H

/* In a process whose id is 1: goes on in a child and returns there; the process itself passes
 * signals on, reaps, and ends with the child's status. In any other: nothing. Before there are
 * threads. */
void reaper_start(void);

#endif
