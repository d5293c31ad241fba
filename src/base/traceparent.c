/* SPDX-License-Identifier: MIT */
#include "base/traceparent.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/hash.h"

/* Places in the text. */
enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };

/* Sampled, and that the trace's number is random: all flags that there are. */
enum { KNOWN_FLAGS = 3 };

static const char digits[] = "0123456789abcdef";

static int value_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int are_digits(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n && value_of(s[i]) >= 0)
        i++;
    return i == n;
}

static int is_number(const char *s, size_t n)
{
    return are_digits(s, n) && strspn(s, "0") < n;
}

static int is_traceparent(const char *s, size_t n)
{
    if (n < TRACEPARENT_BYTES || s[2] != '-' || s[SPAN_AT - 1] != '-' || s[FLAGS_AT - 1] != '-')
        return 0;
    if (!are_digits(s, 2) || !memcmp(s, "ff", 2) ||
        !is_number(s + TRACE_AT, TRACEPARENT_ID_BYTES) ||
        !is_number(s + SPAN_AT, TRACEPARENT_SPAN_BYTES) || !are_digits(s + FLAGS_AT, 2))
        return 0;
    return n == TRACEPARENT_BYTES || (memcmp(s, "00", 2) != 0 && s[TRACEPARENT_BYTES] == '-');
}

static int is_state(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n && ((s[i] >= 0x20 && s[i] < 0x7f) || s[i] == '\t'))
        i++;
    return i == n && n <= TRACEPARENT_STATE_BYTES;
}

int traceparent_read(struct traceparent *out, const char *text, size_t n, const char *state,
                     size_t state_len)
{
    if (!is_traceparent(text, n))
        return 0;
    memcpy(out->text, text, TRACEPARENT_BYTES);
    memcpy(out->text, "00", 2);
    out->text[FLAGS_AT] = '0';
    out->text[FLAGS_AT + 1] = digits[value_of(text[FLAGS_AT + 1]) & KNOWN_FLAGS];
    out->text[TRACEPARENT_BYTES] = '\0';
    out->from[0] = '\0';
    state_len = state && is_state(state, state_len) ? state_len : 0;
    if (state_len)
        memcpy(out->state, state, state_len);
    out->state[state_len] = '\0';
    return 1;
}

/* A number that no other span has; a kernel without random numbers gets one of the clock. */
static uint64_t new_number(void)
{
    static _Atomic uint64_t made;
    uint64_t n[2] = {0, 0};

    if (getrandom(&n, sizeof(n[0]), GRND_NONBLOCK) != sizeof(n[0]) || !n[0]) {
        n[0] = (uint64_t)clock_real_ns();
        n[1] = atomic_fetch_add(&made, 1);
        n[0] = hash_table((const char *)n, sizeof(n)) | 1;
    }
    return n[0];
}

void traceparent_child(struct traceparent *out, const struct traceparent *of)
{
    uint64_t n = new_number();
    size_t i;

    memcpy(out->text, of->text, sizeof(out->text));
    memcpy(out->from, of->text + SPAN_AT, TRACEPARENT_SPAN_BYTES);
    out->from[TRACEPARENT_SPAN_BYTES] = '\0';
    memcpy(out->state, of->state, strlen(of->state) + 1);
    for (i = 0; i < TRACEPARENT_SPAN_BYTES; i++, n >>= 4)
        out->text[SPAN_AT + i] = digits[n & 15];
}

int traceparent_is_header(const char *name, size_t n)
{
    static const char *const names[] = {TRACEPARENT_HEADER, TRACEPARENT_STATE_HEADER};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == n && !strncasecmp(names[i], name, n))
            return 1;
    return 0;
}

int traceparent_put_headers(const struct traceparent *t, char out[TRACEPARENT_LINES])
{
    int n = snprintf(out, TRACEPARENT_LINES, "%s: %s", TRACEPARENT_HEADER, t->text) + 1;

    if (!*t->state)
        return 1;
    snprintf(out + n, (size_t)(TRACEPARENT_LINES - n), "%s: %s", TRACEPARENT_STATE_HEADER,
             t->state);
    return 2;
}

const char *traceparent_id(const struct traceparent *t, char out[TRACEPARENT_ID_BYTES + 1])
{
    memcpy(out, t->text + TRACE_AT, TRACEPARENT_ID_BYTES);
    out[TRACEPARENT_ID_BYTES] = '\0';
    return out;
}
