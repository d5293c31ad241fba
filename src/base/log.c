/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log_out.h"

static atomic_int least = LOG_INFO; /* atomic */

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

void log_set_level(enum log_level level)
{
    atomic_store(&least, (int)level);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&least, memory_order_relaxed);
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
    char line[LOG_LINE_BYTES];
    va_list ap;
    size_t n, cap = sizeof(line) - 1; /* room for the newline */
    int saved = errno, w;

    if (level < log_get_level())
        return;
    n = log_out_time(line, cap);
    w = snprintf(line + n, cap - n, " level=%s mod=%s msg=\"%s\"", level_names[level], mod, msg);
    n += w > 0 ? (size_t)w : 0;
    if (n < cap && *fmt) {
        line[n++] = ' ';
        va_start(ap, fmt);
        w = vsnprintf(line + n, cap - n, fmt, ap);
        va_end(ap);
        n += w > 0 ? (size_t)w : 0;
        n -= w == 0; /* no pairs after all: nor the space before them */
    }
    if (n > cap - 1)
        n = cap - 1;
    line[n++] = '\n';
    log_out_line(line, n);
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
