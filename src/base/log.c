/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log_line.h"
#include "base/log_out.h"

enum module {
#define X(name) MODULE_##name,
    LOG_MODULES(X)
#undef X
        MODULES
};

static const char *const module_names[MODULES] = {
#define X(name) #name,
    LOG_MODULES(X)
#undef X
};

struct levels {
    int of[MODULES];
};

/* All atomic. `least` is the least of them: most lines that are not written end there. */
static atomic_int least = LOG_INFO;
static atomic_int levels[MODULES] = {
#define X(name) LOG_INFO,
    LOG_MODULES(X)
#undef X
};

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

static int find_module(const char *name, size_t n)
{
    int i;

    for (i = 0; i < MODULES; i++)
        if (strlen(module_names[i]) == n && !memcmp(module_names[i], name, n))
            return i;
    return -1;
}

static void set(const struct levels *l)
{
    int i, min = LOG_OFF;

    for (i = 0; i < MODULES; i++) {
        atomic_store(&levels[i], l->of[i]);
        min = l->of[i] < min ? l->of[i] : min;
    }
    atomic_store(&least, min);
}

static void set_all(struct levels *l, int level)
{
    int i;

    for (i = 0; i < MODULES; i++)
        l->of[i] = level;
}

void log_set_level(enum log_level level)
{
    struct levels l;

    set_all(&l, (int)level);
    set(&l);
}

static int level_of(const char *name, size_t n)
{
    char text[8];

    if (n >= sizeof(text))
        return -1;
    memcpy(text, name, n);
    text[n] = '\0';
    return log_level_from_name(text);
}

static enum err bad_module(const char *name, size_t n, struct error *e)
{
    char all[200] = "";
    size_t i, at = 0;

    for (i = 0; i < MODULES; i++)
        at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", i ? ", " : "", module_names[i]);
    return error_set(e, ERR_INVAL, "levels of modules that there are: %s; \"%.*s\" is none", all,
                     (int)(n < 40 ? n : 40), name);
}

/* One of the words between the commas. The general level must come before all others. */
static enum err read_word(const char *word, size_t n, int is_first, struct levels *l,
                          struct error *e)
{
    const char *equals = memchr(word, '=', n);
    size_t name_len = equals ? (size_t)(equals - word) : 0;
    const char *name = equals ? equals + 1 : word;
    int level = level_of(name, n - (size_t)(name - word)), module;

    if (level < 0 || (!equals && !is_first))
        return error_set(e, ERR_INVAL,
                         "debug, info, warn, error or off, and perhaps levels of modules behind "
                         "it, as in info,peers=debug; \"%.*s\" is neither",
                         (int)(n < 40 ? n : 40), word);
    if (!equals) {
        set_all(l, level);
        return ERR_OK;
    }
    module = find_module(word, name_len);
    if (module < 0)
        return bad_module(word, name_len, e);
    l->of[module] = level;
    return ERR_OK;
}

static enum err read_levels(const char *text, struct levels *l, struct error *e)
{
    const char *s = text, *end;

    set_all(l, LOG_INFO);
    for (;; s = end + 1) {
        end = s + strcspn(s, ",");
        if (read_word(s, (size_t)(end - s), s == text, l, e))
            return e->code;
        if (!*end)
            return ERR_OK;
    }
}

enum err log_set_levels(const char *text, struct error *e)
{
    struct levels l;

    if (read_levels(text, &l, e))
        return e->code;
    set(&l);
    return ERR_OK;
}

enum err log_check_levels(const char *text, struct error *e)
{
    struct levels l;

    return read_levels(text, &l, e);
}

static int is_written(enum log_level level, const char *mod)
{
    int module;

    if ((int)level < atomic_load_explicit(&least, memory_order_relaxed))
        return 0;
    module = find_module(mod, strlen(mod));
    return module < 0 || (int)level >= atomic_load_explicit(&levels[module], memory_order_relaxed);
}

int log_level_from_name(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(level_names[i], name) == 0)
            return (int)i;
    }
    return -1;
}

void log_write(enum log_level level, const char *mod, const char *msg, const char *fmt, ...)
{
    char line[LOG_LINE_BYTES], pairs[LOG_LINE_BYTES] = "";
    int saved = errno;
    va_list ap;

    if (!is_written(level, mod))
        return;
    if (*fmt) {
        va_start(ap, fmt);
        vsnprintf(pairs, sizeof(pairs), fmt, ap);
        va_end(ap);
    }
    log_out_line(line, log_line_put(line, level_names[level], mod, msg, pairs));
    errno = saved;
}

const char *log_quote(char *out, size_t cap, const void *bytes, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    static const char cut[] = "...\"";
    const unsigned char *s = bytes;
    size_t i, o = 0;

    if (cap < sizeof(cut) + 1) {
        if (cap)
            *out = '\0';
        return out;
    }
    out[o++] = '"';
    for (i = 0; i < n; i++) {
        int plain = s[i] >= 0x20 && s[i] != 0x7f && s[i] != '"' && s[i] != '\\';

        if (o + (plain ? 1 : 4) + sizeof(cut) > cap)
            break;
        if (plain) {
            out[o++] = (char)s[i];
        } else {
            out[o++] = '\\';
            out[o++] = 'x';
            out[o++] = hex[s[i] >> 4];
            out[o++] = hex[s[i] & 15];
        }
    }
    if (i < n) {
        memcpy(out + o, cut, sizeof(cut));
    } else {
        out[o++] = '"';
        out[o] = '\0';
    }
    return out;
}
