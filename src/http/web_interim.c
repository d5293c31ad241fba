/* SPDX-License-Identifier: MIT */
#include "http/web_interim.h"

#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/num.h"
#include "base/pct.h"
#include "base/token.h"
#include "http/tls.h"

enum { INTERIM_MAX = 16 << 10 /* bytes of the answers: fetch_interim() keeps 4 KiB */ };

/* --- the text --- */

static int put_status(struct buf *out, const char *s, size_t n)
{
    uint64_t status;

    if (n != 3 || !num_parse_u64(s, n, 199, &status) || status <= 101)
        return 0;
    buf_putf(out, "HTTP/1.1 %u %s\r\n", (unsigned)status,
             MHD_get_reason_phrase_for((unsigned)status));
    return 1;
}

static int put_field(struct buf *out, const char *s, size_t n)
{
    size_t name = token_len(s, n);

    if (!name || n < name + 2 || memcmp(s + name, ": ", 2) != 0 ||
        !token_is_value(s + name + 2, n - name - 2))
        return 0;
    buf_put(out, s, n);
    buf_put(out, "\r\n", 2);
    return 1;
}

/* Lines behind each other; an empty one, and the end, ends an answer. */
static int put_lines(struct buf *out, const char *s, const char *end)
{
    int within = 0, ok = 1;

    for (; ok && s < end; s++) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        size_t n;

        stop = stop ? stop : end;
        n = (size_t)(stop - s);
        if (!n && within)
            buf_puts(out, "\r\n");
        else
            ok = within ? put_field(out, s, n) : put_status(out, s, n);
        within = n != 0;
        s = stop;
    }
    if (within)
        buf_puts(out, "\r\n");
    return ok && !out->failed;
}

int web_interim_put(struct buf *out, const char *text, size_t n)
{
    struct buf plain;
    ssize_t len = -1;
    int ok = 0;

    if (n > INTERIM_MAX)
        return 0;
    buf_init(&plain, 0);
    if (!buf_reserve(&plain, n + 1))
        len = pct_decode(plain.data, text, n, 0);
    if (len > 0)
        ok = put_lines(out, plain.data, plain.data + len);
    buf_deinit(&plain);
    return ok;
}

/* --- the socket --- */

/* The bytes that have gone out, or below 0. */
static ssize_t write_now(struct MHD_Connection *c, int fd, const struct buf *b)
{
    ssize_t n;

    if (tls_write(c, b->data, b->len, &n))
        return n;
    return send(fd, b->data, b->len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void web_interim_send(struct MHD_Connection *c, const char *text, size_t n)
{
    int fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    struct buf out;
    ssize_t sent;

    if (!n)
        return;
    buf_init(&out, 0);
    if (web_interim_put(&out, text, n)) {
        sent = write_now(c, fd, &out);
        if (sent >= 0 && (size_t)sent < out.len) {
            log_warn("server", "a client reads too slowly for an interim answer", "fd=%d", fd);
            shutdown(fd, SHUT_RDWR);
        }
    }
    buf_deinit(&out);
}
