/* SPDX-License-Identifier: MIT */
#include "net/request.h"

#include <string.h>
#include <strings.h>

#include "base/token.h"
#include "base/url.h"

enum err request_check_method(const char *method, int has_body, struct error *e)
{
    size_t n = token_len(method, strlen(method));

    if (!n || method[n])
        return error_set(e, ERR_INVAL, "method: not an HTTP method name");
    if (has_body && !strcmp(method, "HEAD"))
        return error_set(e, ERR_INVAL, "method: HEAD cannot carry a body");
    return ERR_OK;
}

enum err request_check_url(const char *url, struct error *e)
{
    const char *host, *p;

    if (url_scheme(url, &host) == URL_OTHER)
        return error_set(e, ERR_INVAL, "url: neither http:// nor https://");
    for (p = host; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return error_set(e, ERR_INVAL, "url: a space or control byte at position %zu",
                             (size_t)(p - url) + 1);
    if (!*host || strchr("/?#", *host))
        return error_set(e, ERR_INVAL, "url: no host");
    return ERR_OK;
}

static int same_name(const char *line, size_t name_len, const char *name)
{
    return name_len == strlen(name) && !strncasecmp(line, name, name_len);
}

enum err request_check_header(const char *line, size_t at, struct error *e)
{
    size_t n = token_len(line, strlen(line));

    if (!n || line[n] != ':')
        return error_set(e, ERR_INVAL, "header %zu: not a \"Name: value\" line", at + 1);
    if (!token_is_value(line + n, strlen(line + n)))
        return error_set(e, ERR_INVAL, "header %.*s: a control byte in its value",
                         (int)(n < 80 ? n : 80), line);
    /* The code that sends the body sets these. */
    if (same_name(line, n, "Content-Length") || same_name(line, n, "Transfer-Encoding"))
        return error_set(e, ERR_INVAL, "header %.*s: it is set from the body", (int)n, line);
    return ERR_OK;
}

int request_is_idempotent(const char *method)
{
    static const char *const names[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(method, names[i]))
            return 1;
    return 0;
}
