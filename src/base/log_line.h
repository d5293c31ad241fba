/* SPDX-License-Identifier: MIT */
/* log_line.h - the form of a log line: text, or a JSON object.
 *
 *   time=2026-01-02T03:04:05.678Z level=info mod=server msg="listening" addr=127.0.0.1:8080
 *   {"time":"2026-01-02T03:04:05.678Z","level":"info","mod":"server","msg":"listening",
 *    "addr":"127.0.0.1:8080"}                                     (in one line)
 *
 * Lines are made from the same pairs in both forms, so no caller knows the form. In JSON a pair of
 * which the value is a number, true or false has no quotes. A pair named like one of the first four
 * has an underscore behind its name. A line that would be too long loses its last pairs, and a long
 * string its end. So each line is JSON, whatever bytes are logged.
 *
 * Any thread. */
#ifndef LOG_LINE_H
#define LOG_LINE_H

#include <stddef.h>

enum { LOG_LINE_BYTES = 4096 }; /* a pipe takes that much whole or not at all */

enum log_format { LOG_TEXT, LOG_JSON };

/* LOG_TEXT at first. Process-wide. */
void log_line_set_format(enum log_format format);
enum log_format log_line_format(void);

/* "text" or "json"; -1 for any other name. */
int log_line_format_from_name(const char *name);

/* Writes a line of at most LOG_LINE_BYTES, with its newline. `msg` and the quoted values of `pairs`
 * have the form of log_quote(). Returns its length. */
size_t log_line_put(char *line, const char *level, const char *mod, const char *msg,
                    const char *pairs);

/* Writes a member of a JSON object at `at`: a comma, unless a bracket is before it, the name, a
 * colon and the bytes as a string. A string that does not fit before `end` is cut, with "..." at
 * its end; if even the name does not, nothing is written. Strings with bytes that are no UTF-8 have
 * \u00XX for each byte outside ASCII, as json_out.h does it; this file is below that one. Returns
 * where the next member begins. */
char *log_line_json(char *at, const char *end, const char *name, const void *bytes, size_t n);

/* Writes an opening bracket and the present time, which takes 40 bytes. */
char *log_line_json_begin(char *at);

#endif
