/* SPDX-License-Identifier: MIT */
#include "http/framing.h"

#include <microhttpd.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/token.h"
#include "wire/dialect.h"

enum { LENGTH_DIGITS = 18 }; /* fit 64 bits */

struct seen {
    struct framing *framing;
    int hosts, lengths, encodings, bad;
    const char *at; /* where the next header must begin; NULL: unknown */
};

static int read_length(const char *value, uint64_t *out)
{
    size_t n = value ? strlen(value) : 0;

    return n <= LENGTH_DIGITS && num_parse_u64(value, n, UINT64_MAX, out);
}

/* libmicrohttpd 0.9 ends each line at its LF. */
static int has_line_end(const char *text, size_t n)
{
    return n && (memchr(text, '\r', n) || (!framing_is_in_place() && memchr(text, '\n', n)));
}

/* Whether a name of n letters and dashes is `text`, in whatever case. */
static int is_same(const char *name, const char *text, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if ((name[i] | 0x20) != (text[i] | 0x20))
            return 0;
    return 1;
}

/* Behind CR and LF, which libmicrohttpd 0.9 has overwritten with zeros, or NULL if they are
 * missing. A bare LF is not enough: libmicrohttpd 1.0 refuses it, too. */
static const char *next_line(const char *at)
{
    return at[0] == '\0' && at[1] == '\0' ? at + 2 : NULL;
}

/* libmicrohttpd 0.9 reads a head in place, so each header begins where the header before it ends.
 * If a header does not, bytes were dropped or merged: the bytes behind a NUL, or a folded line, in
 * which another server may see a length. */
static int is_next(struct seen *s, const char *name, size_t name_len, const char *value,
                   size_t value_len)
{
    const char *at = next_line(s->at);

    if (!at || name != at)
        return 0;
    at += name_len + 1;
    while (*at == ' ' || *at == '\t')
        at++;
    if (value != at)
        return 0;
    s->at = value + value_len;
    return 1;
}

static void take(struct seen *s, const char *name, size_t name_len, const char *value)
{
    struct framing *f = s->framing;

#define IS(text) (name_len == sizeof(text) - 1 && is_same(name, text, sizeof(text) - 1))
    if (IS("Host")) {
        s->hosts++;
    } else if (IS("Transfer-Encoding")) {
        s->encodings++;
        s->bad |= !value || strcasecmp(value, "chunked") != 0;
    } else if (IS("Content-Length")) {
        s->lengths++;
        s->bad |= !read_length(value, &f->length);
    } else if (IS("If-None-Match") || IS("Range") || IS("If-Match")) {
        f->conditional = 1;
    } else if (IS(HEADER_FROM)) {
        f->from = 1;
    } else if (IS(HEADER_VIEW)) {
        f->view = value;
    } else if (IS(HEADER_STAND_IN)) {
        f->stand_in = 1;
    } else if (IS("Cookie")) {
        f->cookie = value && strlen(value) > f->cookie ? strlen(value) : f->cookie;
    } else if (IS("Content-Encoding")) {
        f->encoded |= !value || (*value && strcasecmp(value, "identity") != 0);
    } else if (IS("Content-Range")) {
        f->partial = 1;
    } else if (IS("Expect")) {
        f->expects |= !value || strcasecmp(value, "100-continue") != 0;
    }
#undef IS
}

static enum MHD_Result check_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                    size_t name_len, const char *value, size_t value_len)
{
    struct seen *s = arg;

    (void)kind;
    s->bad |= !name_len || token_len(name, name_len) != name_len || has_line_end(value, value_len);
    if (s->at && !is_next(s, name, name_len, value, value_len)) {
        s->bad = 1;
        s->at = NULL;
    }
    if (name_len + value_len > s->framing->line)
        s->framing->line = name_len + value_len;
    take(s, name, name_len, value);
    return MHD_YES;
}

int framing_is_in_place(void)
{
    static const char *version;

    if (!version)
        version = MHD_get_version();
    return version[0] == '0';
}

int framing_is_whole(const char *method, const char *target)
{
    const char *at = method + strlen(method) + 1;

    if (!framing_is_in_place())
        return 1;
    while (*at == ' ')
        at++;
    return at == target;
}

int framing_strictness(void)
{
    return framing_is_in_place() ? 0 : 1;
}

/* Behind the last header stands only the empty line. */
static int is_last(const char *end, const char *at)
{
    const char *empty = next_line(at);

    return empty && next_line(empty) == end;
}

static size_t head_size(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info ? info->header_size : 0;
}

size_t framing_head_size(struct MHD_Connection *c)
{
    return head_size(c);
}

int framing_read(struct MHD_Connection *c, const char *method, const char *version,
                 struct framing *out)
{
    struct seen s = {.framing = out};
    int is_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;

    *out = (struct framing){.is_1_1 = is_1_1};
    if (framing_is_in_place())
        s.at = version + strlen(version);
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, check_header, &s);
    out->head = head_size(c);
    if (s.at && out->head && !is_last(method + out->head, s.at))
        s.bad = 1;
    out->chunked = s.encodings > 0;
    out->body = out->chunked || out->length > 0;
    if (out->chunked && !is_1_1)
        return 0;
    return !s.bad && (s.hosts == 1 || (!s.hosts && !is_1_1)) && s.lengths + s.encodings <= 1;
}

struct copying {
    struct seen seen; /* its framing is not used */
    struct buf *out;
};

static enum MHD_Result check_place(void *arg, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *value, size_t value_len)
{
    struct copying *to = arg;

    (void)kind;
    to->seen.bad |= !is_next(&to->seen, name, name_len, value, value_len);
    return to->seen.bad ? MHD_NO : MHD_YES;
}

static enum MHD_Result copy_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *value, size_t value_len)
{
    struct copying *to = arg;

    (void)kind;
    buf_put(to->out, name, name_len);
    buf_puts(to->out, ":");
    buf_put(to->out, name + name_len + 1, (size_t)(value - name) - name_len - 1);
    buf_put(to->out, value, value_len);
    buf_puts(to->out, "\r\n");
    return MHD_YES;
}

/* Whether a method that is served here begins at `begin` and ends before the target. Compares from
 * its end on: `begin` is before the head if the client sent NULs in place of the empty line. */
static int is_method(const char *begin, const char *target)
{
    static const char *const methods[] = {"GET",    "HEAD",    "POST", "PUT",
                                          "DELETE", "OPTIONS", "PATCH"};
    const char *end = target - 1;
    size_t i, n, same;

    while (*end == ' ')
        end--;
    n = (size_t)((uintptr_t)end - (uintptr_t)begin);
    for (i = 0; !*end && i < sizeof(methods) / sizeof(*methods); i++) {
        if (strlen(methods[i]) != n)
            continue;
        for (same = 0; same < n && end[-1 - (ptrdiff_t)same] == methods[i][n - 1 - same]; same++)
            ;
        if (same == n)
            return 1;
    }
    return 0;
}

int framing_copy(struct MHD_Connection *c, const char *method, const char *target,
                 const char *query, const char *version, struct buf *out, const char **end)
{
    struct copying to = {.out = out};
    const char *empty, *begin;

    if (!target || !version)
        return 0;
    to.seen.at = version + strlen(version);
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, check_place, &to);
    empty = to.seen.bad ? NULL : next_line(to.seen.at);
    empty = empty ? next_line(empty) : NULL;
    if (!empty)
        return 0;
    /* A line that begins with a NUL ends the head for libmicrohttpd, too. So `empty` is the end
     * only if the head begins so many bytes before it. */
    begin = (const char *)((uintptr_t)empty - head_size(c));
    if (method ? begin != method || !framing_is_whole(method, target) : !is_method(begin, target))
        return 0;
    buf_putf(out, "%s %s%s%s %s\r\n", begin, target, query ? "?" : "", query ? query : "", version);
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, copy_header, &to);
    buf_puts(out, "\r\n");
    *end = empty;
    return !out->failed;
}

static enum MHD_Result find_end(void *arg, enum MHD_ValueKind kind, const char *name,
                                size_t name_len, const char *value, size_t value_len)
{
    const char **end = arg;

    (void)kind, (void)name, (void)name_len;
    *end = value + value_len;
    return MHD_YES;
}

/* The C string at `at`, or NULL if it is not within `limit`. */
static const char *end_of(const char *at, const char *limit)
{
    const char *end = at && at < limit ? memchr(at, '\0', (size_t)(limit - at)) : NULL;

    return end && end + 2 < limit ? end : NULL;
}

int framing_lacks_colon(struct MHD_Connection *c, const char *version, size_t room)
{
    const char *limit = version + room, *end = end_of(version, limit), *line, *value;

    if (!end)
        return 0;
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, find_end, &end);
    /* libmicrohttpd adds a header once it has seen the next line; so one may stand between. */
    line = next_line(end);
    end = end_of(line, limit);
    if (!end || end == line)
        return 0;
    if (end[1] != '\0') {
        for (value = end + 1; *value == ' ' || *value == '\t'; value++)
            ;
        end = end_of(value, limit);
        line = end ? next_line(end) : NULL;
        end = end_of(line, limit);
    } else if (end[2] == '\0') { /* a header without a value */
        line = end + 3;
        end = end_of(line, limit);
    }
    return end && end != line && end[1] == '\0';
}
