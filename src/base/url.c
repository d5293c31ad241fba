/* SPDX-License-Identifier: MIT */
#include "base/url.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
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

/* --- host and port of a peer --- */

enum {
    PORT_DIGITS = 5,
    PORT_MAX = 65535,
    HOST_MAX = 253 /* bytes of a name in DNS: RFC 1035 2.3.4, without the length bytes */
};

static enum err refuse(const char *url, struct error *e, const char *why)
{
    return error_set(e, ERR_INVAL, "peer \"%s\": %s", url, why);
}

static enum err check_port(const char *url, const char *port, size_t n, struct error *e)
{
    uint64_t number;

    if (n && n <= PORT_DIGITS && num_parse_u64(port, n, PORT_MAX, &number) && number)
        return ERR_OK;
    return error_set(e, ERR_INVAL, "peer \"%s\": the port \"%.*s\" is not a number from 1 to 65535",
                     url, (int)n, port);
}

/* An address of IPv6 without brackets; a zone may follow it (RFC 6874). */
static int is_v6(const char *host, size_t n)
{
    const char *zone = memchr(host, '%', n);
    struct address a;

    if (zone && host + n - zone < 2)
        return 0;
    n = zone ? (size_t)(zone - host) : n;
    return memchr(host, ':', n) && address_parse(host, n, &a);
}

static int is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* Labels of letters, digits, dashes and underscores, with dots between them, perhaps one at the
 * end. */
static int is_name(const char *host, size_t n)
{
    size_t i, label = 0;

    for (i = 0; i < n; i++) {
        if (host[i] == '.' ? !label : !is_name_byte(host[i]))
            return 0;
        label = host[i] == '.' ? 0 : label + 1;
    }
    return n && n <= HOST_MAX && host[0] != '.';
}

/* Whether no name ends like this, since its last label is a number: so it must be an address. */
static int ends_as_number(const char *host, size_t n)
{
    size_t i = n;

    while (i && host[i - 1] >= '0' && host[i - 1] <= '9')
        i--;
    return i < n && (!i || host[i - 1] == '.');
}

static enum err check_host(const char *url, const char *host, size_t n, struct error *e)
{
    struct address a;

    if (!n)
        return refuse(url, e, "there is no host before the port");
    if (!is_name(host, n))
        return refuse(url, e, "the host is no name, and no address in digits");
    if (ends_as_number(host, n) && !address_parse(host, n, &a))
        return refuse(url, e, "the host ends with a number, and is no address such as 10.0.0.1");
    return ERR_OK;
}

/* `host` begins with a bracket. */
static enum err check_bracketed(const char *url, const char *host, const char *end, struct error *e)
{
    const char *close = memchr(host, ']', (size_t)(end - host));

    if (!close || !is_v6(host + 1, (size_t)(close - host) - 1))
        return refuse(url, e, "there is no IPv6 address in the brackets, such as [fd00::1]");
    if (close + 1 == end)
        return ERR_OK;
    if (close[1] != ':')
        return refuse(url, e, "a port behind the brackets begins with a colon");
    return check_port(url, close + 2, (size_t)(end - close) - 2, e);
}

static enum err check_authority(const char *url, const char *host, const char *end, struct error *e)
{
    size_t n = (size_t)(end - host);
    const char *colon = memchr(host, ':', n);

    if (*host == '[')
        return check_bracketed(url, host, end, e);
    if (colon && memchr(colon + 1, ':', (size_t)(end - colon) - 1))
        return refuse(url, e,
                      "there is more than one colon: an IPv6 address stands in brackets, such as "
                      "http://[fd00::1]:8080");
    if (check_host(url, host, colon ? (size_t)(colon - host) : n, e))
        return e->code;
    return colon ? check_port(url, colon + 1, (size_t)(end - colon) - 1, e) : ERR_OK;
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
    if (*end || end == host)
        return error_set(e, ERR_INVAL, "peer \"%s\" is not a URL of the form http://host:port",
                         url);
    return check_authority(url, host, end, e);
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
