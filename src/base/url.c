/* SPDX-License-Identifier: MIT */
#include "base/url.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"

enum url_scheme url_scheme(const char *url, const char **host)
{
    static const struct {
        const char *begin;
        enum url_scheme scheme;
    } schemes[] = {{"http://", URL_HTTP}, {"https://", URL_HTTPS}};
    size_t i;

    for (i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        size_t n = strlen(schemes[i].begin);

        if (strncasecmp(url, schemes[i].begin, n) == 0) {
            *host = url + n;
            return schemes[i].scheme;
        }
    }
    *host = NULL;
    return URL_OTHER;
}

const char *url_host_end(const char *host)
{
    while (*host > ' ' && *host < 0x7f && !strchr("/?#@", *host))
        host++;
    return host;
}

const char *url_without_scheme(const char *url)
{
    const char *host;

    return url_scheme(url, &host) == URL_OTHER ? url : host;
}

/* Whether a text that ends where the host and port end has both, or a host alone. */
static int has_host(const char *host)
{
    size_t n = *host == '[' ? strcspn(host + 1, "]") : strcspn(host, ":[]");
    const char *rest = *host == '[' ? host + 1 + n : host + n;
    uint64_t port;

    if (!n || (*host == '[' && *rest++ != ']'))
        return 0;
    return !*rest || (*rest == ':' && num_parse_u64(rest + 1, strlen(rest + 1), UINT16_MAX, &port));
}

enum err url_check_peer(const char *url, struct error *e)
{
    const char *host, *end;

    if (url_scheme(url, &host) == URL_OTHER)
        return error_set(e, ERR_INVAL, "peer \"%s\" is not a URL of the form http://host:port",
                         url);
    end = url_host_end(host);
    if (*end == '/')
        return error_set(e, ERR_INVAL,
                         "peer \"%s\" must end after host and port, without a slash "
                         "or a path: base_path is added to it",
                         url);
    if (*end || !has_host(host))
        return error_set(e, ERR_INVAL, "peer \"%s\" is not a URL of the form http://host:port",
                         url);
    return ERR_OK;
}

const char *url_host(const char *url, size_t *n)
{
    const char *host, *end;

    url_scheme(url, &host);
    if (*host == '[') {
        host++;
        end = strchr(host, ']');
    } else {
        end = strchr(host, ':');
    }
    *n = end ? (size_t)(end - host) : strlen(host);
    return host;
}
