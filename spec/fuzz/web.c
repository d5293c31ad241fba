/* SPDX-License-Identifier: MIT */
/* web.c - a request to an HTTP cache as a node tells another one of it (http/web), and the value of
 * a key (wire/httpmsg) that it is judged with. */
#include "http/web.h"
#include "fuzz.h"

/* Lines end within the bytes, and names and values within their line. */
static void walk(const struct httpmsg *m)
{
    struct httpmsg_line l;
    const char *at = NULL, *end = m->lines + m->lines_len;

    while (httpmsg_next(m, &at, &l)) {
        HOLDS(l.name >= m->lines && l.value + l.value_len <= end && at <= end);
        HOLDS(l.name + l.name_len < l.value + l.value_len + 1);
        HOLDS(!memchr(l.name, ':', l.name_len));
    }
}

/* What was read is told to a third node in the same words. */
static void tell_again(const struct web *w)
{
    struct buf line;
    struct web again;

    buf_init(&line, 0);
    web_put(w, &line);
    HOLDS(line.len == web_line_size(w));
    HOLDS(!memchr(line.data, '\n', line.len));
    buf_put(&line, "", 1);
    HOLDS(web_read(&again, line.data, 1));
    HOLDS(again.text.len == w->text.len && !memcmp(again.text.data, w->text.data, w->text.len));
    HOLDS(again.id == w->id && again.get == w->get && again.max_age_s == w->max_age_s);
    web_deinit(&again);
    buf_deinit(&line);
}

static void judge(const struct web *w, const struct httpmsg *m, int64_t left_ms)
{
    enum web_use use = web_judge(w, m, left_ms);
    struct buf key;

    HOLDS(use != WEB_USE || !(m->flags & (HTTPMSG_CHECK | HTTPMSG_ONCE)));
    HOLDS(use != WEB_USE || left_ms > 0 || !(m->flags & HTTPMSG_STRICT));
    HOLDS(use != WEB_USE_REFRESH || left_ms <= 0 || w->min_fresh_s >= 0);
    web_selects(w, m);
    buf_init(&key, 0);
    web_put_variant(w, m, &key);
    HOLDS(!key.failed && key.len == 1 + 16 + 1 + 32);
    buf_deinit(&key);
}

FUZZ_TARGET
{
    struct fuzz in = {data, size};
    int64_t left_ms = (int64_t)fuzz_byte(&in) * 1000 - 100000;
    size_t half = fuzz_byte(&in) | (size_t)fuzz_byte(&in) << 8, n, len;
    char *line = fuzz_copy(&in, half, &n), *value = fuzz_bytes(&in, in.left, &len);
    int is_message, is_request;
    struct httpmsg m;
    struct web w;

    is_message = httpmsg_read(&m, value, len);
    is_request = web_read(&w, line, 1);
    if (is_message)
        walk(&m);
    if (is_request)
        tell_again(&w);
    if (is_message && is_request)
        judge(&w, &m, left_ms);
    web_deinit(&w);
    free(line);
    free(value);
    return 0;
}
