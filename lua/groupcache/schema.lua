-- SPDX-License-Identifier: MIT
-- The options of a group, as rules for groupcache.options. docs/api.md says what each is for.

local limits = require "groupcache.limits"

return {
  getter = { kind = "function" }, -- one of these two is required
  getter_many = { kind = "function" },
  max_keys = { kind = "integer", default = 100, min = 1, max = 10000 },
  gather = { kind = "duration", default = 0 },
  cache_bytes = { kind = "size", default = limits.cache_bytes() }, -- 64MB, or less
  remember_bytes = { kind = "size" }, -- default: a share of cache_bytes
  ttl = { kind = "duration", default = 0 },
  ttl_jitter = { kind = "share", default = 0.1 },
  negative_ttl = { kind = "duration", default = 0 },
  refresh_ahead = { kind = "thousandths", default = 0, max = 100 },
  stale_while_revalidate = { kind = "duration", default = 0 },
  stale_if_error = { kind = "duration", default = 0 },
  keep_old = { kind = "duration", default = 0 },
  timeout = { kind = "duration", default = 5 },
  max_value_bytes = { kind = "size", default = "8MB" },
  max_loads = { kind = "integer", default = 256, min = 1, max = 16384 },
  max_waiting = { kind = "integer", default = 4096, min = 1, max = 16384 },
  max_rate = { kind = "thousandths", default = 0, max = 1e6 },
  breaker = { kind = "integer", default = 0, min = 0, max = 16384 },
  breaker_share = { kind = "share", default = 0 },
  cpu_timeout = { kind = "duration", default = 1 },
  burst = { kind = "duration", default = 0.1 },
  eviction = { kind = "enum", default = "adaptive", values = { "adaptive", "lru", "sieve" } },
  hot = { kind = "enum", default = "sample", values = { "sample", "always", "never", "rate" } },
  compress = { kind = "enum", default = "off", values = { "off", "gzip", "zstd" } },
  content_type = { kind = "text" }, -- default: the codec's, or application/octet-stream
  codec = { kind = "any" },
  pass_headers = { kind = "list", default = {} },
  peers = { kind = "peers" }, -- default: the node's
  local_only = { kind = "boolean", default = false },
  query = { kind = "any", default = "refuse" }, -- groupcache.keying reads it, and the next
  vary = { kind = "any", default = {} },
  key = { kind = "function" }, -- in place of these two
  http = { kind = "any" }, -- groupcache.http.cache sets it
  writable = { kind = "any", default = false }, -- groupcache.writable reads it
}
