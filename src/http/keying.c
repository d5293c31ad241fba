/* SPDX-License-Identifier: MIT */
#include "http/keying.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/pct.h"

enum { NAME_BYTES = 256 /* of a query's name; a longer one is none of a list's */ };

/* A word of a rule, or a part of a header; not ended by a NUL. */
struct part {
    const char *at;
    size_t n;
};

static int is(const struct part *a, const char *b, size_t n)
{
    return a->n == n && memcmp(a->at, b, n) == 0;
}

static int is_word(const struct part *a, const char *word)
{
    return is(a, word, strlen(word));
}

/* Cuts off the text up to that byte, which is dropped. 0: the text is used up. */
static int cut(struct part *text, char at, struct part *out)
{
    const char *end;

    if (!text->at)
        return 0;
    end = memchr(text->at, at, text->n);
    out->at = text->at;
    out->n = end ? (size_t)(end - text->at) : text->n;
    text->at = end ? end + 1 : NULL;
    text->n -= out->n + (end ? 1 : 0);
    return 1;
}

/* The next rule: its first word, and the rest of its line. */
static int next_rule(struct part *rules, struct part *word, struct part *rest)
{
    if (!cut(rules, '\n', rest) || !rest->n)
        return 0;
    return cut(rest, ' ', word);
}

static struct part part_of(const char *text)
{
    return (struct part){text, strlen(text)};
}

/* --- the query --- */

struct pair {
    struct part text, name;
    size_t place;
};

/* Whether the pair's name is that, percent-encoding and plus signs aside. */
static int has_name(const struct part *name, const struct part *wanted)
{
    char plain[NAME_BYTES];
    ssize_t n = name->n <= NAME_BYTES ? pct_decode(plain, name->at, name->n, 1) : -1;

    return n >= 0 && is(wanted, plain, (size_t)n);
}

static int is_kept(const char *rules, const struct part *name)
{
    struct part all = part_of(rules), word, rest;
    int named = 0;

    while (next_rule(&all, &word, &rest)) {
        if (!is_word(&word, "name"))
            continue;
        if (has_name(name, &rest))
            return 1;
        named = 1;
    }
    return !named;
}

static int has_rule(const char *rules, const char *name)
{
    struct part all = part_of(rules), word, rest;

    while (next_rule(&all, &word, &rest)) {
        if (is_word(&word, name))
            return 1;
    }
    return 0;
}

/* By name; pairs of one name keep their order, which may mean something. */
static int by_name(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int order = n ? memcmp(x->name.at, y->name.at, n) : 0;

    if (order)
        return order;
    if (x->name.n != y->name.n)
        return x->name.n < y->name.n ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

static size_t count(const char *text, char c)
{
    size_t n = 1;

    while ((text = strchr(text, c))) {
        text++;
        n++;
    }
    return n;
}

void keying_put_query(struct buf *out, const char *rules, const char *query)
{
    struct part all = part_of(query), text, rest;
    struct pair *pairs;
    size_t n = 0, i;

    if (!has_rule(rules, "sort") && !has_rule(rules, "name")) {
        buf_puts(out, "?");
        buf_puts(out, query);
        return;
    }
    pairs = mem_alloc(count(query, '&') * sizeof(*pairs));
    if (!pairs) {
        out->failed = ERR_NOMEM;
        return;
    }
    while (cut(&all, '&', &text)) {
        struct pair *p = &pairs[n];

        rest = text;
        *p = (struct pair){.text = text, .place = n};
        if (text.n && cut(&rest, '=', &p->name) && is_kept(rules, &p->name))
            n++;
    }
    if (n && has_rule(rules, "sort"))
        qsort(pairs, n, sizeof(*pairs), by_name);
    for (i = 0; i < n; i++) {
        buf_puts(out, i ? "&" : "?");
        buf_put(out, pairs[i].text.at, pairs[i].text.n);
    }
    mem_free(pairs);
}

/* --- the headers --- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static int is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(struct part *p)
{
    while (p->n && is_space(*p->at)) {
        p->at++;
        p->n--;
    }
    while (p->n && is_space(p->at[p->n - 1]))
        p->n--;
}

/* Whether white space between these two means nothing. */
static int is_loose(char before, char behind)
{
    return strchr(",;", before) || strchr(",;", behind); /* also at the end: a NUL is found, too */
}

/* In lower case, without space around commas and semicolons, with one space elsewhere; encoded. */
static void put_plain(struct buf *out, const struct part *value)
{
    struct buf plain;
    size_t i, next;

    buf_init(&plain, 0);
    for (i = 0; i < value->n; i = next) {
        char c = lower(value->at[i]);

        for (next = i + 1; is_space(c) && next < value->n && is_space(value->at[next]); next++)
            ;
        if (is_space(c) && is_loose(plain.len ? plain.data[plain.len - 1] : '\0',
                                    next < value->n ? value->at[next] : '\0'))
            continue;
        c = is_space(c) ? ' ' : c;
        buf_put(&plain, &c, 1);
    }
    pct_encode(out, plain.data, plain.len);
    if (plain.failed)
        out->failed = plain.failed;
    buf_deinit(&plain);
}

/* The weight of an item of a list, in thousandths (RFC 9110, 12.4.2). A wrong one is 0. */
static int weight_of(struct part params)
{
    struct part param;
    int weight = 1000;

    while (cut(&params, ';', &param)) {
        int digit = 1000;

        trim(&param);
        if (param.n < 3 || lower(param.at[0]) != 'q' || param.at[1] != '=')
            continue;
        for (param.at += 2, param.n -= 2, weight = 0; param.n; param.at++, param.n--) {
            if (*param.at == '.')
                continue;
            if (*param.at < '0' || *param.at > '9' || !digit)
                return 0;
            weight += (*param.at - '0') * digit;
            digit /= 10;
        }
    }
    return weight < 1000 ? weight : 1000;
}

/* How well an item of the list fits: 0 not at all, else the more the closer. "de" fits "de-at", as
 * does "*". */
static size_t fit_of(const struct part *item, const struct part *choice)
{
    size_t n = item->n < choice->n ? item->n : choice->n;

    if (item->n == 1 && *item->at == '*')
        return 1;
    if (!n || strncasecmp(item->at, choice->at, n) != 0)
        return 0;
    if (item->n == choice->n)
        return 3 + n;
    return (item->n < choice->n ? choice->at[n] : item->at[n]) == '-' ? 2 + n : 0;
}

/* What the header gives this choice: the weight of the item that fits it best. */
static int liking_of(struct part list, const struct part *choice)
{
    size_t best = 0;
    struct part item, name;
    int liking = 0;

    while (cut(&list, ',', &item)) {
        size_t fit;

        cut(&item, ';', &name);
        trim(&name);
        fit = fit_of(&name, choice);
        if (fit <= best)
            continue;
        best = fit;
        liking = item.at ? weight_of(item) : 1000;
    }
    return liking;
}

static void put_choice(struct buf *out, const struct part *value, struct part choices)
{
    struct part choice, best = {"", 0};
    int most = -1;

    while (cut(&choices, ' ', &choice)) {
        int liking = liking_of(*value, &choice);

        if (liking > most) {
            most = liking;
            best = choice;
        }
    }
    put_plain(out, &best);
}

int keying_function(const char *rules)
{
    static const char word[] = "function ";

    return strncmp(rules, word, sizeof(word) - 1) == 0 ? rules[sizeof(word) - 1] - '0' : 0;
}

int keying_varies(const char *rules)
{
    return has_rule(rules, "vary");
}

void keying_put_vary(struct buf *out, const char *rules,
                     void (*header)(void *ctx, const char *name, struct buf *value), void *ctx)
{
    struct part all = part_of(rules), word, rest, name, value;
    const char *between = "#";
    struct buf text, names;

    buf_init(&text, 0);
    buf_init(&names, 0);
    while (next_rule(&all, &word, &rest)) {
        if (!is_word(&word, "vary") || !cut(&rest, ' ', &name))
            continue;
        buf_reset(&text);
        buf_reset(&names);
        buf_put(&names, name.at, name.n);
        if (buf_put(&names, "", 1)) {
            out->failed = names.failed;
            break;
        }
        header(ctx, names.data, &text);
        value = (struct part){text.len ? text.data : "", text.len};
        trim(&value);
        buf_puts(out, between);
        between = "&";
        buf_puts(out, names.data);
        buf_puts(out, "=");
        if (rest.at)
            put_choice(out, &value, rest);
        else
            put_plain(out, &value);
        if (text.failed)
            out->failed = text.failed;
    }
    buf_deinit(&text);
    buf_deinit(&names);
}

void keying_vary_names(const char *rules, char out[KEYING_VARY_BYTES])
{
    struct part all = part_of(rules), word, rest, name;
    size_t n = 0;

    while (next_rule(&all, &word, &rest)) {
        if (!is_word(&word, "vary") || !cut(&rest, ' ', &name) ||
            n + name.n + 3 > KEYING_VARY_BYTES)
            continue;
        if (n) {
            out[n++] = ',';
            out[n++] = ' ';
        }
        memcpy(out + n, name.at, name.n);
        n += name.n;
    }
    out[n] = '\0';
}
