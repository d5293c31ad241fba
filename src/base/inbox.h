/* SPDX-License-Identifier: MIT */
/* inbox.h - how one thread hands work to another: a queue with an eventfd.
 *
 * Any thread posts; one thread, the owner, takes. The descriptor is readable while messages wait,
 * so the owner may sleep in any event loop (poll, epoll, that of a library). A message is embedded
 * in what it carries and belongs to the inbox from post to take. Order of posting is kept. A post
 * wakes the owner, at once or, when its thread holds, at the end of that thread's turn.
 *
 * After inbox_close() a post is refused, so no message stays in a queue that nobody reads. */
#ifndef INBOX_H
#define INBOX_H

#include "base/err.h"

struct held;
struct inbox;

struct msg {
    struct msg *next;           /* the inbox's */
    void (*run)(struct msg *m); /* called by the owner, no lock held; m may be freed in it */
};

/* Returns an inbox, or NULL and fills e (the process is out of descriptors). */
struct inbox *inbox_new(struct error *e);

/* The inbox must be closed and empty. NULL is fine. */
void inbox_free(struct inbox *in);

/* Readable while messages wait. Owned by the inbox. */
int inbox_fd(const struct inbox *in);

/* Any thread. 0 once the inbox is closed: the message is still the caller's. */
int inbox_post(struct inbox *in, struct msg *m);

/* Owner: runs every message that waits, oldest first. Messages that these post wait for the next
 * call. Returns how many ran. When the owner is stuck in a message, another thread may close the
 * inbox and drain it. */
unsigned inbox_drain(struct inbox *in);

/* Owner: the same, but at most `max` messages. While more wait the descriptor stays readable. */
unsigned inbox_drain_some(struct inbox *in, unsigned max);

/* Any thread: wakes the owner from its sleep on the descriptor, without a message. */
void inbox_wake(struct inbox *in);

/* Between these two calls the thread's posts do not wake the owners. inbox_release() wakes them,
 * once each. After a tenth of a millisecond a post wakes them too, and so does the end of a
 * message. Meant for a turn in which a thread posts a lot and does not wait: an owner that is woken
 * by the first message would take it, sleep, and be woken again.
 *
 * A message may take longer than a tenth of a millisecond, such as a getter that blocks in C. Then
 * its thread holds no wakes for the next ten seconds. */
void inbox_hold(void);
void inbox_release(void);

/* Sends the held wakes now: the code that follows may take long. */
void inbox_hurry(void);

/* inbox_held() returns the held wakes of the calling thread, valid as long as that thread. Any
 * thread may send them. */
struct held *inbox_held(void);
void inbox_hurry_held(struct held *h);

/* Owner: later posts are refused. The messages that wait are still there for a last inbox_drain().
 */
void inbox_close(struct inbox *in);

#endif
