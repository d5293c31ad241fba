/* SPDX-License-Identifier: MIT */
/* log.h - one line of key=value pairs per event, on stderr; or of JSON, see log_line.h.
 *
 *   time=2026-01-02T03:04:05.678Z level=info mod=server msg="listening" addr=127.0.0.1:8080
 *
 * A line is one write(2), so lines of several threads do not mix. Any thread; no thread waits for a
 * reader of the log, see log_out.h. Values that come from outside go through log_quote(), so that
 * no request can forge a line. */
#ifndef LOG_H
#define LOG_H

#include <stddef.h>

#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

/* X(name): the modules, which may have levels of their own. */
#define LOG_MODULES(X)                                                                             \
    X(access)                                                                                      \
    X(change)                                                                                      \
    X(group) X(log) X(mem) X(net) X(node) X(peers) X(script) X(server) X(service) X(snapshot) X(tls)

/* The least level that is written, of all modules; LOG_INFO at first. Process-wide. */
void log_set_level(enum log_level level);

/* The same from a text: a level, and levels of single modules, parted by commas:
 * "info,peers=debug". Without a level of its own it is LOG_INFO. INVAL: nothing was set, and e says
 * what the text must be. */
enum err log_set_levels(const char *text, struct error *e);

/* Returns the error of log_set_levels(), and sets nothing. */
enum err log_check_levels(const char *text, struct error *e);

/* "debug", "info", "warn", "error", "off"; -1 for any other name. */
int log_level_from_name(const char *name);

/* Writes a line: `mod` is the module's name, `msg` what happened in plain words (both trusted),
 * `fmt` a printf text of further key=value pairs, "" for none. */
void log_write(enum log_level level, const char *mod, const char *msg, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

/* Writes n bytes as a quoted value into out (cap bytes, NUL included): control bytes, quotes and
 * backslashes become \xNN, what does not fit ends in "...". Returns out. */
const char *log_quote(char *out, size_t cap, const void *bytes, size_t n);

#endif
