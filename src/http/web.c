/* SPDX-License-Identifier: MIT */
#include "http/web.h"

#include <string.h>
#include <strings.h>

#include "base/md5.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/token.h"

#define VARIANT_MARK "\x01" /* no URL has it */
#define KEYED "x-groupcache-keyed"

enum { MAX_SECONDS = 0x7fffffff /* RFC 9111, 1.2.2 */ };

static int is(const char *s, size_t n, const char *lower)
{
    return n == strlen(lower) && strncasecmp(s, lower, n) == 0;
}

static void trim(const char **s, size_t *n)
{
    while (*n && (**s == ' ' || **s == '\t'))
        ++*s, --*n;
    while (*n && ((*s)[*n - 1] == ' ' || (*s)[*n - 1] == '\t'))
        --*n;
}

/* --- a request is read --- */

void web_init(struct web *w, const char *method, uint64_t id)
{
    memset(w, 0, sizeof(*w));
    buf_init(&w->text, 0);
    w->id = id;
    w->max_age_s = w->min_fresh_s = w->max_stale_s = WEB_UNSET;
    w->head = strcmp(method, "HEAD") == 0;
    w->get = w->head || strcmp(method, "GET") == 0;
    buf_putf(&w->text, "%s %016llx\n", method, (unsigned long long)id);
    w->headers = w->text.len;
}

void web_deinit(struct web *w)
{
    buf_deinit(&w->text);
    mem_free(w->connection);
    w->connection = NULL;
}

void web_connection(struct web *w, const char *value, size_t n)
{
    size_t old = w->connection ? strlen(w->connection) : 0;
    char *list = mem_zalloc(old + n + 2);

    if (old)
        memcpy(list, w->connection, old);
    list[old] = ',';
    memcpy(list + old + 1, value, n);
    mem_free(w->connection);
    w->connection = list;
}

/* Whether a list of names, between commas, has the name. */
static int lists(const char *list, const char *name, size_t n)
{
    while (list) {
        const char *end = strchr(list, ',');
        size_t len = end ? (size_t)(end - list) : strlen(list);

        trim(&list, &len);
        if (len == n && strncasecmp(list, name, n) == 0)
            return 1;
        list = end ? end + 1 : NULL;
    }
    return 0;
}

/* Headers that are about one connection, or about the length of the body. */
static int ends_here(const struct web *w, const char *name, size_t n)
{
    static const char *const names[] = {"connection",      "keep-alive",     "te",
                                        "trailer",         "upgrade",        "transfer-encoding",
                                        "expect",          "content-length", "proxy-authorization",
                                        "proxy-connection"};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (is(name, n, names[i]))
            return 1;
    if (n >= 12 && strncasecmp(name, "x-groupcache", 12) == 0)
        return 1;
    return w->connection && lists(w->connection, name, n);
}

/* The seconds of a directive; a value that is no number is 0, as far as a bound is concerned. */
static int64_t seconds(const char *value, size_t n)
{
    uint64_t v;

    num_parse_u64(value, n, MAX_SECONDS, &v);
    return (int64_t)v;
}

static void take_directive(struct web *w, const char *name, size_t name_len, const char *value,
                           size_t n)
{
    if (is(name, name_len, "no-cache"))
        w->no_cache = 1;
    else if (is(name, name_len, "no-store"))
        w->no_store = 1;
    else if (is(name, name_len, "only-if-cached"))
        w->only_if_cached = 1;
    else if (is(name, name_len, "max-age"))
        w->max_age_s = seconds(value, n);
    else if (is(name, name_len, "min-fresh"))
        w->min_fresh_s = seconds(value, n);
    else if (is(name, name_len, "max-stale"))
        w->max_stale_s = n ? seconds(value, n) : INT64_MAX / 1000;
}

/* Where a directive ends: at a comma outside of quotes. */
static const char *directive_end(const char *s, const char *end)
{
    int quoted = 0;

    for (; s < end && (quoted || *s != ','); s++) {
        if (quoted && *s == '\\' && s + 1 < end)
            s++;
        else if (*s == '"')
            quoted = !quoted;
    }
    return s;
}

static void take_control(struct web *w, const char *s, size_t n)
{
    const char *end = s + n;

    w->control = 1;
    while (s < end) {
        const char *stop = directive_end(s, end), *equals = memchr(s, '=', (size_t)(stop - s));
        const char *value = equals ? equals + 1 : stop;
        size_t len = (size_t)((equals ? equals : stop) - s), value_len = (size_t)(stop - value);

        trim(&s, &len);
        trim(&value, &value_len);
        if (value_len >= 2 && *value == '"' && value[value_len - 1] == '"') {
            value++;
            value_len -= 2;
        }
        take_directive(w, s, len, value, value_len);
        s = stop + (stop < end);
    }
}

/* A method that frameworks take for that of the request: their answer to such a GET is that of
 * another method. */
static int is_override(const char *name, size_t n)
{
    return is(name, n, "x-http-method-override") || is(name, n, "x-http-method") ||
           is(name, n, "x-method-override");
}

/* X-Forwarded-For says who asks, and is another one for each client: it must not change a page. */
static int is_forwarded(const char *name, size_t n)
{
    static const char prefix[] = "x-forwarded-";

    if ((name[0] | 0x20) == 'f')
        return is(name, n, "forwarded");
    if ((name[0] | 0x20) != 'x')
        return 0;
    if (n >= sizeof(prefix) && strncasecmp(name, prefix, sizeof(prefix) - 1) == 0)
        return !is(name, n, "x-forwarded-for");
    return is(name, n, "x-original-url") || is(name, n, "x-original-host") ||
           is(name, n, "x-rewrite-url") || is(name, n, "x-host") || is_override(name, n);
}

static void look_at(struct web *w, const char *name, size_t name_len, const char *value, size_t n)
{
    if (is(name, name_len, "cache-control"))
        take_control(w, value, n);
    else if (is(name, name_len, "pragma"))
        w->pragma |= is(value, n, "no-cache") ? 1 : 0;
    else if (is(name, name_len, "range"))
        w->ranged = 1;
    else if (is(name, name_len, "if-none-match") || is(name, name_len, "if-modified-since"))
        w->conditional = 1;
    else if (is(name, name_len, "if-match") || is(name, name_len, "if-unmodified-since"))
        w->precondition = 1;
}

static void put_line(struct web *w, const char *name, size_t name_len, const char *value, size_t n)
{
    buf_put(&w->text, name, name_len);
    buf_put(&w->text, ": ", 2);
    buf_put(&w->text, value, n);
    buf_put(&w->text, "\n", 1);
}

void web_take(struct web *w, const char *name, size_t name_len, const char *value, size_t n)
{
    trim(&value, &n);
    if (ends_here(w, name, name_len))
        return;
    if (!token_is_value(value, n)) {
        w->unclean = 1;
        return;
    }
    look_at(w, name, name_len, value, n);
    w->forwarded |= name_len && is_forwarded(name, name_len);
    put_line(w, name, name_len, value, n);
}

/* A line, its name of n bytes in lower case. */
static void put_folded(struct buf *out, const char *line, size_t n, size_t len)
{
    size_t i;

    for (i = 0; i < n; i++) {
        char c = line[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        buf_put(out, &c, 1);
    }
    buf_put(out, line + n, len - n);
}

void web_key(struct web *w)
{
    const char *s = w->text.data + w->headers, *end = w->text.data + w->text.len, *stop;
    char digest[MD5_HEX];
    struct buf all;

    if (!w->forwarded || w->text.failed)
        return;
    buf_init(&all, 0);
    for (; s < end && (stop = memchr(s, '\n', (size_t)(end - s))); s = stop + 1) {
        size_t n = token_len(s, (size_t)(stop - s));

        if (is_forwarded(s, n))
            put_folded(&all, s, n, (size_t)(stop + 1 - s));
    }
    md5_hex(digest, all.len ? all.data : "", all.len);
    if (all.failed)
        w->text.failed = all.failed;
    buf_deinit(&all);
    put_line(w, KEYED, strlen(KEYED), digest, MD5_HEX);
    w->keyed = 1;
}

void web_end(struct web *w, int obey)
{
    if (!w->control && w->pragma) /* RFC 9111, 5.4 */
        w->no_cache = 1;
    if (obey)
        return;
    w->no_cache = w->no_store = w->only_if_cached = 0;
    w->max_age_s = w->min_fresh_s = w->max_stale_s = WEB_UNSET;
}

/* --- on its way --- */

void web_put(const struct web *w, struct buf *out)
{
    const char *s = w->text.data, *end = s + w->text.len, *from = s;

    for (; s < end; s++) {
        if (*s != '\n' && *s != '%')
            continue;
        buf_put(out, from, (size_t)(s - from));
        buf_put(out, *s == '\n' ? "%0A" : "%25", 3);
        from = s + 1;
    }
    buf_put(out, from, (size_t)(s - from));
}

size_t web_line_size(const struct web *w)
{
    size_t n = w->text.len, i;

    for (i = 0; i < w->text.len; i++)
        n += w->text.data[i] == '\n' || w->text.data[i] == '%' ? 2 : 0;
    return n;
}

static void unescape(const char *line, struct buf *out)
{
    const char *mark;

    for (; (mark = strchr(line, '%')) && mark[1] && mark[2]; line = mark + 3) {
        buf_put(out, line, (size_t)(mark - line));
        buf_put(out, mark[1] == '0' ? "\n" : "%", 1);
    }
    buf_puts(out, line);
}

static uint64_t read_hex(const char *s)
{
    uint64_t v = 0;
    int i;

    for (i = 0; i < WEB_ID_HEX; i++)
        v = v << 4 | (uint64_t)(s[i] <= '9' ? s[i] - '0' : (s[i] | 0x20) - 'a' + 10);
    return v;
}

/* "GET 0123456789abcdef" */
static int read_first(struct web *w, const char *s, size_t n)
{
    char method[32];
    size_t len = token_len(s, n);

    if (!len || len >= sizeof(method) || n != len + 1 + WEB_ID_HEX || s[len] != ' ')
        return 0;
    memcpy(method, s, len);
    method[len] = '\0';
    web_init(w, method, read_hex(s + n - WEB_ID_HEX));
    return 1;
}

static void read_line(struct web *w, const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n), *value = colon ? colon + 1 : NULL;
    size_t value_len = colon ? n - (size_t)(value - s) : 0;

    if (colon && is(s, (size_t)(colon - s), KEYED)) { /* another node has said it */
        trim(&value, &value_len);
        w->keyed |= token_is_value(value, value_len) != 0;
        if (w->keyed)
            put_line(w, KEYED, strlen(KEYED), value, value_len);
        return;
    }
    if (colon)
        web_take(w, s, (size_t)(colon - s), value, value_len);
}

int web_read(struct web *w, const char *line, int obey)
{
    const char *s, *end, *stop;
    struct buf text;
    int ok = 0;

    memset(w, 0, sizeof(*w));
    buf_init(&text, 0);
    unescape(line, &text);
    stop = text.failed || !text.len ? NULL : memchr(text.data, '\n', text.len);
    if (stop) {
        s = text.data;
        end = s + text.len;
        ok = read_first(w, s, (size_t)(stop - s));
        for (s = stop + 1; ok && s < end && (stop = memchr(s, '\n', (size_t)(end - s)));
             s = stop + 1)
            read_line(w, s, (size_t)(stop - s));
    }
    if (ok)
        web_end(w, obey);
    buf_deinit(&text);
    return ok;
}

/* --- its headers --- */

/* The next header of that name behind *at, which is NULL at first. */
static const char *next_of(const struct web *w, const char *name, size_t name_len, const char **at,
                           size_t *n)
{
    const char *s = *at ? *at : w->text.data + w->headers, *end = w->text.data + w->text.len;
    const char *stop;

    for (; s < end && (stop = memchr(s, '\n', (size_t)(end - s))); s = stop + 1) {
        if ((size_t)(stop - s) < name_len + 2 || s[name_len] != ':' ||
            strncasecmp(s, name, name_len) != 0)
            continue;
        *at = stop + 1;
        *n = (size_t)(stop - s) - name_len - 2;
        return s + name_len + 2;
    }
    return NULL;
}

const char *web_header(const struct web *w, const char *name, size_t *n)
{
    const char *at = NULL;

    return next_of(w, name, strlen(name), &at, n);
}

int web_any(const struct web *w, const char *name,
            int (*fn)(void *ctx, const char *value, size_t n), void *ctx)
{
    const char *at = NULL, *value;
    size_t n;

    while ((value = next_of(w, name, strlen(name), &at, &n)))
        if (fn(ctx, value, n))
            return 1;
    return 0;
}

/* --- variants --- */

/* Whether the case of letters means nothing in the values of a header (RFC 9110, 12.5). */
static int is_caseless(const char *name, size_t n)
{
    return is(name, n, "accept-language") || is(name, n, "accept-encoding") ||
           is(name, n, "accept-charset");
}

static void put_lower(struct buf *out, const char *s, size_t n)
{
    size_t from = out->len, i;

    buf_put(out, s, n);
    for (i = from; i < out->len; i++)
        if (out->data[i] >= 'A' && out->data[i] <= 'Z')
            out->data[i] |= 0x20;
}

/* A value without the blanks around its commas (RFC 9111, 4.1, names such normalisations). */
static void put_normal(struct buf *out, int caseless, const char *s, size_t n)
{
    const char *end = s + n;

    while (s < end) {
        const char *comma = memchr(s, ',', (size_t)(end - s)), *part = s;
        size_t len = (size_t)((comma ? comma : end) - s);

        trim(&part, &len);
        if (caseless)
            put_lower(out, part, len);
        else
            buf_put(out, part, len);
        if (comma)
            buf_put(out, ",", 1);
        s = comma ? comma + 1 : end;
    }
}

/* All values of the request's headers of that name, as one. */
static void put_own(const struct web *w, const char *name, size_t name_len, struct buf *out)
{
    const char *at = NULL, *value;
    size_t n;
    int first = 1;

    while ((value = next_of(w, name, name_len, &at, &n))) {
        if (!first)
            buf_put(out, ",", 1);
        put_normal(out, is_caseless(name, name_len), value, n);
        first = 0;
    }
}

static int is_same(const struct web *w, const struct httpmsg_line *l)
{
    struct buf own, kept;
    int same;

    buf_init(&own, 0);
    buf_init(&kept, 0);
    put_own(w, l->name, l->name_len, &own);
    put_normal(&kept, is_caseless(l->name, l->name_len), l->value, l->value_len);
    same = !own.failed && !kept.failed && own.len == kept.len &&
           (!own.len || memcmp(own.data, kept.data, own.len) == 0);
    buf_deinit(&own);
    buf_deinit(&kept);
    return same;
}

int web_selects(const struct web *w, const struct httpmsg *m)
{
    struct httpmsg_line l;
    const char *at = NULL;
    int listed = 0;

    while (httpmsg_next(m, &at, &l) && l.kind == HTTPMSG_VARY) {
        listed |= w->keyed && is(l.name, l.name_len, KEYED);
        if (!is_same(w, &l))
            return 0;
    }
    return !w->keyed || listed;
}

static void put_selector(const struct web *w, const char *name, size_t n, struct buf *out)
{
    buf_put(out, name, n);
    buf_put(out, ":", 1);
    put_own(w, name, n, out);
    buf_put(out, "\n", 1);
}

void web_put_variant(const struct web *w, const struct httpmsg *m, struct buf *key)
{
    struct httpmsg_line l;
    const char *at = NULL;
    char digest[MD5_HEX];
    struct buf all;

    buf_init(&all, 0);
    while (httpmsg_next(m, &at, &l) && l.kind == HTTPMSG_VARY)
        if (!is(l.name, l.name_len, KEYED))
            put_selector(w, l.name, l.name_len, &all);
    if (w->keyed)
        put_selector(w, KEYED, strlen(KEYED), &all);
    md5_hex(digest, all.len ? all.data : "", all.len);
    buf_putf(key, VARIANT_MARK "%016llx.%.*s", (unsigned long long)m->epoch, MD5_HEX, digest);
    if (all.failed)
        key->failed = all.failed;
    buf_deinit(&all);
}

/* --- the judgement --- */

/* RFC 9111: 4.2 freshness, 4.2.4 stale answers, 5.2.1 requests; RFC 5861 for the stale ones. */
static int may_answer(const struct web *w, const struct httpmsg *m, int64_t left_ms)
{
    if (m->flags & (HTTPMSG_CHECK | HTTPMSG_ONCE) || w->no_cache)
        return 0;
    if (w->max_age_s >= 0 && (int64_t)httpmsg_age_s(m, left_ms) > w->max_age_s)
        return 0;
    if (w->min_fresh_s >= 0 && left_ms < w->min_fresh_s * 1000)
        return 0;
    if (left_ms > 0)
        return 1;
    if (m->flags & HTTPMSG_STRICT)
        return 0;
    return w->max_stale_s >= 0 && -left_ms <= w->max_stale_s * 1000;
}

static int may_refresh(const struct web *w, const struct httpmsg *m, int64_t left_ms)
{
    return !(m->flags & (HTTPMSG_CHECK | HTTPMSG_ONCE | HTTPMSG_STRICT)) && !w->no_cache &&
           w->max_age_s < 0 && w->min_fresh_s < 0 && -left_ms < (int64_t)m->swr_ms;
}

enum web_use web_judge(const struct web *w, const struct httpmsg *m, int64_t left_ms)
{
    if (m && may_answer(w, m, left_ms))
        return WEB_USE;
    if (m && may_refresh(w, m, left_ms))
        return WEB_USE_REFRESH;
    return w->only_if_cached ? WEB_NOTHING : WEB_LOAD;
}

int web_may_stand_in(const struct web *w, const struct httpmsg *m, int64_t left_ms)
{
    if (m->flags & (HTTPMSG_CHECK | HTTPMSG_STRICT | HTTPMSG_ONCE) || w->no_cache)
        return 0;
    return left_ms > 0 || (uint64_t)-left_ms < m->sie_ms;
}
