/* SPDX-License-Identifier: MIT */
#include "peer/sign.h"

#include <string.h>

#include "peer/peer_in.h"
#include "wire/auth.h"

enum err sign_put(struct buf *out, const struct peer *peer, const char *method, const char *url,
                  const void *body, size_t n)
{
    const struct auth_request r = {.method = method, .target = url + strlen(peer->url)};
    struct auth *auth = peer->peers->opts.auth;

    return auth ? auth_put(out, auth, &r, body, n) : ERR_OK;
}
