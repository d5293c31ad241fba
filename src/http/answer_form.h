/* SPDX-License-Identifier: MIT */
/* answer_form.h - responses that are filled in again, for answers with a small value.
 *
 * libmicrohttpd makes a response of seven allocations or so, and frees them when it is sent. Most
 * answers of a thread have headers and a value that are as long as those of an answer before. So a
 * response that was sent is kept as a form: the next answer of these lengths overwrites its bytes.
 *
 * HTTP threads only, for the connection that is being handled. */
#ifndef ANSWER_FORM_H
#define ANSWER_FORM_H

#include <stddef.h>

struct answer_form;
struct guest;
struct heading;

enum { ANSWER_FORM_BYTES = 1024 /* of a value, at most */ };

/* Answers 200 with the headers, which belong to no response, and n bytes, which are copied. Returns
 * what MHD's access handler returns; -1: nothing was answered, since the value is too long, the
 * headers cannot be joined, or there is no memory. */
int answer_form_queue(struct guest *to, const struct heading *h, const void *bytes, size_t n);

/* The request of that connection has ended: its form, if any, can be filled in again. Any thread.
 */
void answer_form_end(struct guest *of);

/* The thread ends. Frees its forms but those that are being sent. */
void answer_form_deinit(void);

#endif
