-- SPDX-License-Identifier: MIT
-- Values of a source that is fine, slow, or fails, as the file BENCH_MODE says: a number of
-- seconds that it takes, or "fail". Each call of the getter is a byte in the file BENCH_CALLS, of
-- all nodes.
local groupcache = require "groupcache"

local function line(path)
  local f = assert(io.open(path))
  local text = f:read "*l"
  f:close()
  return text
end

local value = ("x"):rep(100)
local calls = assert(io.open(os.getenv "BENCH_CALLS", "a"))
calls:setvbuf "no"

local function getter()
  calls:write "."
  local mode = line(os.getenv "BENCH_MODE")
  if mode == "fail" then
    return nil, "the source fails"
  end
  groupcache.sleep(tonumber(mode))
  return value
end

local breaker = tonumber(os.getenv "BENCH_BREAKER")
for name, stale in pairs { with = 60, without = 0 } do
  groupcache.group(name, { ttl = 3, ttl_jitter = 0, stale_while_revalidate = stale,
    stale_if_error = stale, breaker = breaker, hot = "never", getter = getter })
end

return { workers = 1, http_threads = 1 }
