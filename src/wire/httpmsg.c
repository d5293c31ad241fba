/* SPDX-License-Identifier: MIT */
#include "wire/httpmsg.h"

#include <string.h>

#include "base/num.h"

#define LINE_END "\r\n"
#define OURS "x-groupcache: "
#define OURS_VARY "x-groupcache-vary: "
#define OURS_ONCE "x-groupcache-once: "

enum { STATUS_BYTES = 15 /* "HTTP/1.1 200 \r\n" */ };

static int is(const char *s, size_t n, const char *text)
{
    return n == strlen(text) && memcmp(s, text, n) == 0;
}

static int begins(const char *s, size_t n, const char *text)
{
    return n >= strlen(text) && memcmp(s, text, strlen(text)) == 0;
}

static uint64_t hex(const char *s, size_t n)
{
    uint64_t v = 0;
    size_t i;

    for (i = 0; i < n; i++)
        v = v << 4 | (uint64_t)(s[i] <= '9' ? s[i] - '0' : (s[i] | 0x20) - 'a' + 10);
    return v;
}

static unsigned flags(const char *s, size_t n)
{
    unsigned f = 0;

    f |= memchr(s, 'C', n) ? HTTPMSG_CHECK : 0;
    f |= memchr(s, 'R', n) ? HTTPMSG_STRICT : 0;
    f |= memchr(s, 'N', n) ? HTTPMSG_ONCE : 0;
    return f;
}

/* A peer may say any time. A longer one is left out, so that sums of times stay within 64 bits. */
#define LONGEST_MS (INT64_MAX / 8)

static void take_field(struct httpmsg *m, const char *name, size_t name_len, const char *s,
                       size_t n)
{
    if (is(name, name_len, "life"))
        num_parse_u64(s, n, LONGEST_MS, &m->life_ms);
    else if (is(name, name_len, "keep"))
        num_parse_u64(s, n, LONGEST_MS, &m->keep_ms);
    else if (is(name, name_len, "swr"))
        num_parse_u64(s, n, LONGEST_MS, &m->swr_ms);
    else if (is(name, name_len, "sie"))
        m->sie_ms = n && num_parse_u64(s, n, LONGEST_MS, &m->sie_ms) ? m->sie_ms : UINT64_MAX;
    else if (is(name, name_len, "flags"))
        m->flags = flags(s, n);
    else if (is(name, name_len, "id"))
        m->id = hex(s, n);
    else if (is(name, name_len, "epoch"))
        m->epoch = hex(s, n);
    else if (is(name, name_len, "interim")) {
        m->interim = s;
        m->interim_len = n;
    }
}

/* "life=60000 keep=0 ..."; unknown names are left out. */
static void take_fields(struct httpmsg *m, const char *s, const char *end)
{
    while (s < end) {
        const char *stop = memchr(s, ' ', (size_t)(end - s));
        const char *equals;

        stop = stop ? stop : end;
        equals = memchr(s, '=', (size_t)(stop - s));
        if (equals)
            take_field(m, s, (size_t)(equals - s), equals + 1, (size_t)(stop - equals - 1));
        s = stop + (stop < end);
    }
}

static int take_status(struct httpmsg *m, const char *s, size_t n)
{
    uint64_t status;

    if (n < STATUS_BYTES || !begins(s, n, "HTTP/1.1 ") || !num_parse_u64(s + 9, 3, 999, &status) ||
        status < 100 || memcmp(s + 12, " " LINE_END, 3) != 0)
        return 0;
    m->status = (int)status;
    return 1;
}

int httpmsg_read(struct httpmsg *m, const char *bytes, size_t n)
{
    const char *at = bytes + STATUS_BYTES, *end = bytes + n, *stop;

    memset(m, 0, sizeof(*m));
    m->sie_ms = UINT64_MAX;
    if (!take_status(m, bytes, n) || !begins(at, (size_t)(end - at), OURS))
        return 0;
    stop = memmem(at, (size_t)(end - at), LINE_END, 2);
    if (!stop)
        return 0;
    take_fields(m, at + strlen(OURS), stop);
    m->lines = stop + 2;
    /* From the end of our line on: there may be no other line. */
    stop = memmem(stop, (size_t)(end - stop), LINE_END LINE_END, 4);
    if (!stop)
        return 0;
    m->lines_len = (size_t)(stop + 2 - m->lines);
    m->body = stop + 4;
    m->body_len = (size_t)(end - m->body);
    return 1;
}

/* "name: value", or "name:value" as in x-groupcache-vary. */
static int split(struct httpmsg_line *l, const char *s, const char *end)
{
    const char *colon = memchr(s, ':', (size_t)(end - s));

    if (!colon)
        return 0;
    l->name = s;
    l->name_len = (size_t)(colon - s);
    for (s = colon + 1; s < end && *s == ' '; s++)
        ;
    l->value = s;
    l->value_len = (size_t)(end - s);
    return 1;
}

int httpmsg_next(const struct httpmsg *m, const char **at, struct httpmsg_line *out)
{
    const char *s = *at ? *at : m->lines, *end = m->lines + m->lines_len, *stop;
    size_t n;

    while (s < end && (stop = memmem(s, (size_t)(end - s), LINE_END, 2))) {
        n = (size_t)(stop - s);
        *at = stop + 2;
        out->kind = HTTPMSG_HEADER;
        if (begins(s, n, OURS_VARY)) {
            out->kind = HTTPMSG_VARY;
            s += strlen(OURS_VARY);
        } else if (begins(s, n, OURS_ONCE)) {
            out->kind = HTTPMSG_FOR_ONE;
            s += strlen(OURS_ONCE);
        }
        if (split(out, s, stop))
            return 1;
        s = *at;
    }
    return 0;
}

int64_t httpmsg_left_ms(const struct httpmsg *m, uint64_t expires_ms, uint64_t now_ms)
{
    if (!expires_ms)
        return (int64_t)m->life_ms;
    return (int64_t)expires_ms - (int64_t)now_ms - (int64_t)m->keep_ms;
}

uint64_t httpmsg_age_s(const struct httpmsg *m, int64_t left_ms)
{
    int64_t age_ms = (int64_t)m->life_ms - left_ms;

    return age_ms > 0 ? (uint64_t)age_ms / 1000 : 0;
}
