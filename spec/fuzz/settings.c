/* SPDX-License-Identifier: MIT */
/* settings.c - texts of settings and headers that C reads: numbers, addresses, networks, URLs,
 * secrets, senders, proofs. Durations and sizes are in durations.c. */
#include "base/address.h"
#include "base/log.h"
#include "base/networks.h"
#include "base/num.h"
#include "base/secrets.h"
#include "base/token.h"
#include "base/url.h"
#include "base/utf8.h"
#include "change/senders.h"
#include "fuzz.h"
#include "http/listen.h"
#include "net/reach.h"
#include "net/request.h"
#include "wire/auth.h"

static void check_numbers(const char *text, size_t n)
{
    uint64_t out, max = n << 7;
    char written[NUM_DOUBLE_MAX];
    const char *end;
    double x;

    if (num_parse_u64(text, n, max, &out))
        HOLDS(out <= max && num_digits(text) == n);
    else
        HOLDS(out == 0 || out == max);
    if (!num_digits(text))
        return;
    x = num_get_double(text, &end);
    HOLDS(end > text && end <= text + n);
    if (x - x != 0) /* too large for a double */
        return;
    HOLDS(num_put_double(written, x) < NUM_DOUBLE_MAX);
    HOLDS(num_get_double(written, &end) == x);
}

static void check_address(const char *text, size_t n)
{
    struct address a, again;
    char written[ADDRESS_TEXT];

    if (!address_parse(text, n, &a))
        return;
    address_put(&a, written);
    HOLDS(address_parse(written, strlen(written), &again) && address_equal(&a, &again));
    reach_allows("10.0.0.0/8", &a);
}

static void check_networks(const char *text)
{
    struct networks set = {NULL, 0};
    struct senders senders;
    struct error e;
    size_t i;

    if (networks_parse(&set, text, &e))
        HOLDS(e.code == ERR_INVAL && *e.msg);
    else
        for (i = 0; i < set.n; i++)
            HOLDS(networks_have(&set, &set.list[i].address));
    networks_deinit(&set);
    senders_parse(&senders, text, &e);
    senders_deinit(&senders);
}

static void check_url(const char *text)
{
    char host[64], port[16];
    struct error e;
    size_t n;

    if (!url_check_peer(text, &e)) {
        const char *at = url_host(text, &n);

        HOLDS(n && at >= text && at + n <= text + strlen(text));
        HOLDS(!request_check_url(text, &e)); /* a peer's URL can be asked */
    }
    listen_check("listen", text, &e);
    listen_split(text, host, sizeof(host), port, sizeof(port), &e);
}

/* No secret is told in a message. */
static void check_secrets(const char *text)
{
    struct error e = {.code = ERR_OK};
    struct secrets *s = secrets_read(text, NULL, &e);
    const struct auth_request r = {"GET", "/"};
    struct auth_claim claim;
    struct auth *a;

    if (!s) {
        HOLDS(e.code == ERR_INVAL);
        HOLDS(strlen(text) < SECRETS_MIN_BYTES || !strstr(e.msg, text));
        return;
    }
    HOLDS(s->n >= 1 && s->n <= SECRETS_MOST);
    a = auth_new(s);
    HOLDS(auth_check(a, &r, text, &claim, &e)); /* nobody has signed it */
    auth_free(a);
    secrets_unref(s);
}

FUZZ_TARGET
{
    struct fuzz in = {data, size};
    size_t n;
    char *text = fuzz_copy(&in, in.left, &n);

    log_set_level(LOG_OFF);
    HOLDS(token_len(text, n) <= n);
    if (utf8_is_text(text, n))
        HOLDS(utf8_valid(text, n));
    n = strlen(text); /* a setting is a C string */
    check_numbers(text, n);
    check_address(text, n);
    check_networks(text);
    check_url(text);
    check_secrets(text);
    request_check_method(text, 1, NULL);
    request_check_header(text, 0, NULL);
    free(text);
    return 0;
}
