-- SPDX-License-Identifier: MIT

-- Tables that all VMs of a node have in common.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local program = require "api.program"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local t = groupcache.shared("t", { bytes = "64KB" })
local small = groupcache.shared("small", { bytes = 4096 })
assert(not pcall(function() return t:get "k" end) or true)

groupcache.group("count", { cache_bytes = 0, getter = function()
  for _ = 1, 50 do t:incr "n" end
  groupcache.sleep(0.01)
  for _ = 1, 50 do t:incr "n" end
  return "done"
end })

local ask = {
  n = function() return t:get "n" end,
  types = function()
    t:set("a", "1") t:set("b", 1.5)
    return type(t:get "a") .. type(t:get "b") .. type(t:get "none")
  end,
  ends = function()
    t:set("e", "v", 0.05) t:set("f", "v")
    local left, never = t:ttl "e", t:ttl "f"
    assert(left > 0 and left <= 0.05 and never == math.huge and t:ttl "none" == nil)
    groupcache.sleep(0.1)
    return tostring(t:get "e") .. t:get "f"
  end,
  removed = function()
    t:set("r", 1) t:set("r", nil)
    return tostring(t:get "r")
  end,
  errors = function()
    t:set("text", "x")
    local _, _, invalid = t:incr "text"
    local _, _, large = small:set("k", ("x"):rep(4096))
    return invalid .. large
  end,
  stats = function()
    for i = 1, 1000 do small:set("k" .. i, i) end
    local s = small:stats()
    return s.bytes <= 4096 and s.entries > 5 and s.evictions > 900 and "bounded"
  end,
  misuse = function()
    local _, a = pcall(t.get, t, 1)
    local _, b = pcall(t.set, t, "k", {})
    local _, c = pcall(t.incr, t, "k", "x")
    local _, d = pcall(t.set, t, "k", 1, 0)
    return a .. ";" .. b .. ";" .. c .. ";" .. d
  end,
}
groupcache.group("ask", { getter = function(key) return tostring(ask[key]()), nil, 0 end })
]]

describe("groupcache.shared", function()
  local n

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  local function start(args)
    n = node.start { script = SCRIPT, args = args or { "--workers", 4 } }
  end

  local function ask(key)
    return assert(n:get("ask", key)).body
  end

  it("counts exactly over all VMs, and over a reload", function()
    start()
    local requests = {}
    for i = 1, 100 do
      requests[i] = { host = n.host, port = n.port, target = "/cache/count/k" .. i }
    end
    for _, res in ipairs(http.parallel(requests, 32)) do
      assert.equal("done", res.body)
    end
    assert.equal("10000", ask "n")
    n:signal "SIGHUP"
    eventually(function() return n:logged "reloaded" end, 10, "it has reloaded")
    assert.equal("10000", ask "n")
  end)

  it("has texts and numbers, with times to live, and a bound", function()
    start { "--workers", 1 }
    assert.equal("stringnumbernil", ask "types")
    assert.equal("nilv", ask "ends")
    assert.equal("nil", ask "removed")
    assert.equal("INVALTOOBIG", ask "errors")
    assert.equal("bounded", ask "stats")
    local small = n:stats().shared.small
    assert.is_true(small.items > 5 and small.bytes <= 4096 and small.evictions > 900)
    assert.matches('\ngroupcache_shared_entries{table="small"} ' .. small.items .. "\n",
      n:request { target = "/metrics" }.body, 1, true)
    local misuse = ask "misuse"
    assert.matches("shared:get: the key is a number", misuse)
    assert.matches("shared:set: the value is a table", misuse)
    assert.matches("shared:incr: by is a string", misuse)
    assert.matches("shared:set: the ttl is 0", misuse)
  end)

  it("is for the scripts of nodes", function()
    program.says("true\n", [[
      local _, err = pcall(groupcache.shared, "t")
      say(err:find "in the script of a node only" ~= nil)
    ]])
  end)
end)
