-- SPDX-License-Identifier: MIT

-- The memory of a node whose groups are churned: getters, VMs and caches share one heap.

local http = require "support.http"
local node = require "support.node"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
local block = ("v"):rep(128 * 1024)

-- As many values between 16 and 32 bytes as between 64 and 128 KB.
local function mixed(n)
  local noise = n * 2654435761 % 4294967296
  local least = 2 ^ (4 + noise % 13)
  return block:sub(1, least + math.floor(noise / 13) % least)
end

local groups = {
  mixed = groupcache.group("mixed", { cache_bytes = "48MB", getter = function(key)
    return mixed(tonumber(key))
  end }),
  medium = groupcache.group("medium", { cache_bytes = "16MB", getter = function()
    return block:sub(1, 1024)
  end }),
}

-- Loads so many keys of a group, one after the other.
groupcache.group("churn", { cache_bytes = 0, timeout = 60, getter = function(key)
  local name, from, n = key:match "(%a+) (%d+) (%d+)"
  for i = from, from + n - 1 do
    local value, err, code = groups[name]:get(("%012d"):format(i))
    if not value then return nil, err, code end
  end
  return "done"
end })
return { workers = 2, http_threads = 2 }
]]

-- A line of /proc/<pid>/status in bytes.
local function status(n, name)
  local text = tmp.read("/proc/" .. n.process.pid .. "/status")
  return tonumber(text:match(name .. ":%s+(%d+) kB")) * 1024
end

-- The memory of a sanitizer or valgrind would be measured too.
local it = (os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP") and pending or it

describe("the memory of a node", function()
  it("stays within its bound while ten times its caches are loaded", function()
    local n = node.start { script = SCRIPT, env = { MALLOC_ARENA_MAX = false } }
    local churns = {}
    for _, key in ipairs { "mixed 0 16000", "medium 0 70000", "mixed 16000 16000",
      "medium 70000 70000" } do
      churns[#churns + 1] = function()
        local res = assert(n:get("churn", key, { timeout = 60 }))
        assert.equal("done", res.body)
      end
    end
    http.together(churns)
    local bound = 1.15 * 64e6 + 24e6
    for _, name in ipairs { "VmRSS", "VmHWM" } do
      local bytes = status(n, name)
      assert.is_true(bytes <= bound, name .. " is " .. bytes)
      assert.is_true(bytes > 64e6, "the caches are not full")
    end
    assert.equal(0, n:stop())
  end)
end)
