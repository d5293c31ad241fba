/* SPDX-License-Identifier: MIT */
/* fetch_judge.c - how an exchange has ended: the outcome, and whose fault a failure is. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "net/decoder.h"
#include "net/fetch_in.h"

void fetch_judge_fail(struct fetch *f, enum err code, enum fetch_phase phase, const char *fmt, ...)
{
    char text[ERROR_TEXT];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    error_set(&f->error, code, "%.*s: %s", f->host_len, f->host, text);
    f->phase = phase;
    f->status = 0;
    buf_deinit(&f->body); /* a partial answer is useless, and may be large */
}

/* Whether the request had a connection to go out on, made for it or reused. */
enum fetch_phase fetch_judge_phase(const struct fetch *f)
{
    return f->sent ? FETCH_NO_ANSWER : FETCH_NOT_SENT;
}

/* If a request is sent again on a new connection, the other side did not see it on the old one. If
 * it may not be carried out twice, nobody knows. */
static enum fetch_phase phase_unconnected(const struct fetch *f)
{
    return f->repeatable ? FETCH_NOT_SENT : fetch_judge_phase(f);
}

/* libcurl bounds a header line itself, and reports a longer line as lack of memory. */
static int is_long_line(const struct fetch *f, CURLcode code)
{
    return f->sent && f->head.part != HEAD_TRAILERS && !f->body.failed &&
           (code == CURLE_OUT_OF_MEMORY || code == 100); /* CURLE_TOO_LARGE of 8.6 */
}

/* With TLS 1.3 the other side refuses our certificate after the handshake, by an alert in place of
 * an answer. */
static int is_distrust(CURLcode code, const char *text)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
           code == CURLE_SSL_CLIENTCERT || code == CURLE_SSL_CACERT_BADFILE ||
           ((code == CURLE_RECV_ERROR || code == CURLE_SSL_CONNECT_ERROR) &&
            (strstr(text, "alert") || strstr(text, "wrong version number")));
}

/* What libcurl says of a failure. It quotes a proxy that it cannot read, with its password. */
static const char *words(const struct fetch *f, CURLcode code)
{
    if (code == CURLE_COULDNT_RESOLVE_PROXY && strstr(f->text, "Unsupported proxy"))
        return "the proxy's URL cannot be read";
    return *f->text ? f->text : curl_easy_strerror(code);
}

static void judge_failure(struct fetch *f, CURLcode code)
{
    const char *text = words(f, code);

    f->distrusted = is_distrust(code, text);
    if (code == CURLE_FILESIZE_EXCEEDED || f->body.failed == ERR_TOOBIG)
        fetch_judge_fail(f, ERR_TOOBIG, FETCH_NO_ANSWER,
                         "the answer's body has more than %zu bytes", f->max_bytes);
    else if (is_long_line(f, code))
        fetch_judge_fail(f, ERR_TOOBIG, FETCH_NO_ANSWER,
                         "a header line of the answer has more than 100 KB");
    else if (code == CURLE_OUT_OF_MEMORY || f->body.failed == ERR_NOMEM)
        fetch_judge_fail(f, ERR_NOMEM, fetch_judge_phase(f), "no memory for the exchange");
    else if (code == CURLE_OPERATION_TIMEDOUT) /* libcurl only keeps the time to connect */
        fetch_judge_fail(f, ERR_TIMEOUT, phase_unconnected(f), "no connection within %ld ms",
                         f->connect_ms);
    else if (code == CURLE_URL_MALFORMAT)
        fetch_judge_fail(f, ERR_INVAL, FETCH_NOT_SENT, "url: %s", text);
    else if (code == CURLE_COULDNT_CONNECT)
        fetch_judge_fail(f, ERR_PEER, phase_unconnected(f), "%s", f->flaw ? f->flaw : text);
    else
        fetch_judge_fail(f, ERR_PEER, fetch_judge_phase(f), "%s", f->flaw ? f->flaw : text);
}

static int is_unreached(const struct fetch *f, CURLcode code)
{
    return !f->no_socket && !f->flaw && phase_unconnected(f) == FETCH_NOT_SENT &&
           (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
            code == CURLE_OPERATION_TIMEDOUT);
}

void fetch_judge(struct fetch *f, CURLcode code)
{
    f->unreached = is_unreached(f, code);
    if (code) {
        judge_failure(f, code);
    } else if (f->head.part != HEAD_TRAILERS) {
        fetch_judge_fail(f, ERR_PEER, FETCH_NO_ANSWER,
                         "the answer ended within its headers (status %d)", f->head.status);
    } else if (f->decoder && !decoder_is_whole(f->decoder)) {
        fetch_judge_fail(f, ERR_PEER, FETCH_NO_ANSWER, "the answer's compressed body is cut short");
    } else {
        f->phase = FETCH_ANSWERED;
        f->status = f->head.status;
    }
}

void fetch_judge_ended(struct fetch *f, const struct error *why)
{
    if (why->code != ERR_TIMEOUT)
        fetch_judge_fail(f, why->code, fetch_judge_phase(f), "%s", why->msg);
    else if (f->sent)
        fetch_judge_fail(f, ERR_TIMEOUT, FETCH_TIMED_OUT, "no whole answer within %ld ms",
                         f->timeout_ms);
    else
        fetch_judge_fail(f, ERR_TIMEOUT, FETCH_NOT_SENT, "no connection within %ld ms",
                         f->timeout_ms);
}
