/* SPDX-License-Identifier: MIT */
#include "http/access.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_line.h"
#include "base/mem.h"
#include "base/spool.h"
#include "base/traceparent.h"

enum {
    TARGET_BYTES = 4096,
    KEY_BYTES = 1024,
    HEADER_BYTES = 512,
    LINE_BYTES = 10000,
    SHORT_BYTES = 128, /* of a field with its name */
    GONE = 499         /* nginx's status: the client did not wait for an answer */
};

static _Thread_local struct access *now; /* NULL: nothing is noted */

void access_begin(struct access *a, const char *target)
{
    mem_free(a->target);
    memset(a, 0, sizeof(*a));
    a->target = mem_strndup(target, strnlen(target, TARGET_BYTES));
    a->began_us = clock_real_ns() / 1000;
}

void access_enter(struct access *a, const char *method, const char *version)
{
    now = a->target ? a : NULL;
    a->method = method;
    a->version = version;
}

void access_note_key(const void *key, size_t key_len)
{
    if (!now)
        return;
    mem_free(now->key); /* the path, until the whole key is known */
    now->key_len = key_len < KEY_BYTES ? key_len : KEY_BYTES;
    now->key = mem_strndup(key, now->key_len);
}

void access_note_source(const char *source)
{
    if (now)
        now->source = source;
}

void access_note_status(int status)
{
    if (now)
        now->status = status;
}

void access_note_bytes(size_t n)
{
    if (now)
        now->bytes = (int64_t)n;
}

static void put_address(char *out, size_t cap, struct MHD_Connection *c)
{
    const struct sockaddr *addr =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    socklen_t len = addr && addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                        : sizeof(struct sockaddr_in);

    if (!addr || getnameinfo(addr, len, out, (socklen_t)cap, NULL, 0, NI_NUMERICHOST))
        snprintf(out, cap, "-");
    if (strncmp(out, "::ffff:", 7) == 0) /* IPv4, on a socket of both families */
        memmove(out, out + 7, strlen(out + 7) + 1);
}

static const char *put_header(char *out, size_t cap, struct MHD_Connection *c, const char *name)
{
    const char *value = MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);

    return value ? log_quote(out, cap, value, strlen(value)) : "\"-\"";
}

/* Answers to HEAD and 304 say how long a body would be, without a body. */
static void put_bytes(char *out, size_t cap, const struct access *a)
{
    int none = strcmp(a->method, "HEAD") == 0 || a->status == 304 || a->status == GONE;

    if (a->bytes < 0 && !none)
        snprintf(out, cap, "-");
    else
        snprintf(out, cap, "%lld", none ? 0LL : (long long)a->bytes);
}

static void put_time(char *out, size_t cap)
{
    time_t at = time(NULL);
    struct tm tm;

    gmtime_r(&at, &tm);
    strftime(out, cap, "%d/%b/%Y:%H:%M:%S +0000", &tm);
}

static void write_text(const struct access *a, struct spool *to, struct MHD_Connection *c)
{
    char line[LINE_BYTES], host[100], at[40], bytes[24], request[TARGET_BYTES + 200];
    char quoted[TARGET_BYTES + 200], referer[HEADER_BYTES], agent[HEADER_BYTES];
    char key[2 * KEY_BYTES];
    uint64_t us = clock_real_ns() / 1000 - a->began_us;
    int n;

    put_address(host, sizeof(host), c);
    put_time(at, sizeof(at));
    put_bytes(bytes, sizeof(bytes), a);
    n = snprintf(request, sizeof(request), "%.40s %s %.20s", a->method, a->target, a->version);
    n = snprintf(line, sizeof(line), "%s - - [%s] %s %d %s %s %s %llu.%06llu %s %s\n", host, at,
                 log_quote(quoted, sizeof(quoted), request, (size_t)n), a->status, bytes,
                 put_header(referer, sizeof(referer), c, MHD_HTTP_HEADER_REFERER),
                 put_header(agent, sizeof(agent), c, MHD_HTTP_HEADER_USER_AGENT),
                 (unsigned long long)us / 1000000, (unsigned long long)us % 1000000,
                 a->source ? a->source : "-",
                 a->key ? log_quote(key, sizeof(key), a->key, a->key_len) : "\"-\"");
    if (n > 0 && (size_t)n < sizeof(line))
        spool_put(to, line, (size_t)n);
}

/* --- JSON --- */

static char *put_text(char *at, const char *name, const char *text, size_t most)
{
    return text ? log_line_json(at, at + most, name, text, strlen(text)) : at;
}

static char *put_json_header(char *at, const char *name, struct MHD_Connection *c,
                             const char *header)
{
    return put_text(at, name, MHD_lookup_connection_value(c, MHD_HEADER_KIND, header),
                    HEADER_BYTES);
}

static char *put_trace(char *at, struct MHD_Connection *c)
{
    const char *text = MHD_lookup_connection_value(c, MHD_HEADER_KIND, TRACEPARENT_HEADER);
    char id[TRACEPARENT_ID_BYTES + 1];
    struct traceparent t;

    if (!text || !traceparent_read(&t, text, strlen(text), NULL, 0))
        return at;
    return put_text(at, "trace", traceparent_id(&t, id), SHORT_BYTES);
}

static void write_json(const struct access *a, struct spool *to, struct MHD_Connection *c)
{
    char line[LINE_BYTES], host[100], bytes[24], *at = log_line_json_begin(line);
    uint64_t us = clock_real_ns() / 1000 - a->began_us;

    put_address(host, sizeof(host), c);
    put_bytes(bytes, sizeof(bytes), a);
    at = put_text(at, "client", host, sizeof(host) + SHORT_BYTES);
    at = put_text(at, "method", a->method, SHORT_BYTES);
    at = put_text(at, "target", a->target, TARGET_BYTES + SHORT_BYTES);
    at = put_text(at, "version", a->version, SHORT_BYTES);
    at += snprintf(at, SHORT_BYTES, ",\"status\":%d,\"bytes\":%s,\"seconds\":%llu.%06llu",
                   a->status, bytes[0] == '-' ? "null" : bytes, (unsigned long long)us / 1000000,
                   (unsigned long long)us % 1000000);
    at = put_json_header(at, "referer", c, MHD_HTTP_HEADER_REFERER);
    at = put_json_header(at, "user_agent", c, MHD_HTTP_HEADER_USER_AGENT);
    at = put_text(at, "source", a->source, SHORT_BYTES);
    at = put_trace(at, c);
    if (a->key)
        at = log_line_json(at, at + 2 * KEY_BYTES, "key", a->key, a->key_len);
    memcpy(at, "}\n", 2);
    spool_put(to, line, (size_t)(at + 2 - line));
}

static void write_line(const struct access *a, struct spool *to, struct MHD_Connection *c)
{
    if (log_line_format() == LOG_JSON)
        write_json(a, to, c);
    else
        write_text(a, to, c);
}

void access_end(struct access *a, struct spool *to, struct MHD_Connection *c)
{
    if (now == a)
        now = NULL;
    if (!a->target)
        return;
    if (!a->status)
        a->status = GONE;
    if (a->method && c)
        write_line(a, to, c);
    mem_free(a->target);
    mem_free(a->key);
    memset(a, 0, sizeof(*a));
}
