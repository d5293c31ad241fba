-- SPDX-License-Identifier: MIT
-- tokens.lua: access tokens of an OAuth 2 server for the services of this machine, and the keys
-- that check the tokens of others. A token is kept until 30 s before its end, and fetched again
-- before that while it is asked for. Clients get secrets: listen on loopback only.
--   IDP=https://idp.internal CLIENTS=clients.json build/bin/groupcached examples/tokens.lua
--   curl -i http://127.0.0.1:8080/cache/tokens/billing    # "billing" is a name in CLIENTS
--   curl -i http://127.0.0.1:8080/cache/keys/KID
-- CLIENTS is {"billing": {"secret": "...", "scope": "read"}, ...}; CA_FILE, CERT_FILE and KEY_FILE
-- name the server's authority, and the certificate that the node shows.

local cjson = require "cjson"
local groupcache = require "groupcache"
local http = require "groupcache.http"

local SCHEME, HOST = (os.getenv "IDP" or "https://idp.internal"):match "^(%w+://)(.*)$"
local TLS = { ca_file = os.getenv "CA_FILE", cert_file = os.getenv "CERT_FILE",
  key_file = os.getenv "KEY_FILE", timeout = 3 }

local file = assert(io.open(os.getenv "CLIENTS" or "clients.json"))
local clients = cjson.decode(file:read "*a")
file:close()

-- A login goes as HTTP Basic.
local function ask(path, more, login)
  for name, value in pairs(TLS) do more[name] = value end
  return http.json(SCHEME .. (login or "") .. HOST .. path, more)
end

groupcache.group("tokens", {
  local_only = true, refresh_ahead = 0.1,
  getter = function(name)
    local client = clients[name]
    if not client then return nil end
    local answer, err, code = ask("/token", { method = "POST",
      headers = { ["Content-Type"] = "application/x-www-form-urlencoded" },
      body = "grant_type=client_credentials&scope=" .. http.escape(client.scope) },
      http.escape(name) .. ":" .. http.escape(client.secret) .. "@")
    if not answer then return nil, err, code == "NOTFOUND" and "PEER" or code end
    return answer.access_token, nil, math.max(0, (tonumber(answer.expires_in) or 0) - 30)
  end,
})

groupcache.group("keys", {
  codec = "json", ttl = 3600, negative_ttl = 60, stale_if_error = 86400, local_only = true,
  getter = function(kid)
    local set, err, code = ask("/jwks.json", {})
    for _, key in ipairs(set and set.keys or {}) do
      if key.kid == kid then return key end
    end
    return nil, err, code
  end,
})

return { listen = "127.0.0.1:8080" }
