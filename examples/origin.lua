-- SPDX-License-Identifier: MIT
-- origin.lua: pages of an HTTPS server with a certificate of a CA of your own, with a second try.
-- To try it:
--   ORIGIN=https://www.debian.org build/bin/groupcached examples/origin.lua
--   curl -i http://127.0.0.1:8080/cache/pages/robots.txt
-- CA_FILE=ca.pem names the authority; without it the system's are trusted. Without the server:
--   502 {"error":"the origin cannot be reached","code":"GETTER"}, and the log says why.

local groupcache = require "groupcache"
local http = require "groupcache.http"

local ORIGIN = os.getenv("ORIGIN") or "https://www.debian.org"
local CA_FILE = os.getenv("CA_FILE")
local AGAIN = { PEER = true, TIMEOUT = true, [502] = true, [503] = true, [504] = true }

-- Two tries of 2 seconds each, and the pause, must fit into the group's timeout.
local function fetch(url)
  local res, err, code = http.get(url, { timeout = 2, ca_file = CA_FILE })
  if AGAIN[code or res.status] then
    groupcache.sleep(0.2)
    res, err = http.get(url, { timeout = 2, ca_file = CA_FILE })
  end
  return res, err
end

groupcache.group("pages", {
  ttl = 60,
  timeout = 5,
  getter = function(key)
    local res, err = fetch(ORIGIN .. "/" .. key:gsub("[^/]+", http.escape))
    if not res then
      groupcache.log("error", "origin", { key = key, why = err })
      return nil, "the origin cannot be reached"
    end
    if res.status == 404 then return nil end
    if res.status ~= 200 then return nil, "the origin says " .. res.status end
    return res.body
  end,
})
