-- SPDX-License-Identifier: MIT

-- Getters that asked for another key held their places among max_loads while they waited. The loads
-- that they waited for were queued for these places, so all ended at their deadline.

local cjson = require "cjson"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

local SLOW = os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP"

local SCRIPT = [[
local groupcache = require "groupcache"
local options = { %s timeout = %d, cache_bytes = "1MB" }
local a, b
local function group(name, getter)
  local o = { getter = getter }
  for k, v in pairs(options) do o[k] = v end
  return groupcache.group(name, o)
end
a = group("a", function(key)
  local depth, name = key:match "^(%%d+)/(.*)$"
  if not depth then return "leaf:" .. key end
  if depth == "0" then return (b:get("end/" .. name)) end
  return (a:get((depth - 1) .. "/" .. name))
end)
b = group("b", function(key)
  groupcache.sleep(0.001)
  return (a:get(key))
end)
]]

describe("getters that wait for other loads", function()
  local function script(options)
    return SCRIPT:format(options or "", SLOW and 60 or 5)
  end

  local function ask(n, key)
    local res = assert(n:get("a", key, { timeout = 90 }))
    assert.same({ 200, "leaf:end/" .. key:match "/(.*)" }, { res.status, res.body })
  end

  for _, places in ipairs { 1, 2 } do
    it(("give their place back: a nesting of five with max_loads %d"):format(places), function()
      local n = node.start { script = script(("max_loads = %d,"):format(places)) }
      ask(n, "5/x")
      assert.equal(0, (n:stop()))
    end)
  end

  it("give their place back: three hundred keys in one request", function()
    local n = node.start { script = script() }
    local keys = {}
    for i = 1, 300 do
      keys[i] = "1/k" .. i
    end
    local res = assert(n:request { method = "POST", target = "/cache/a", timeout = 90,
      body = cjson.encode(keys) })
    assert.equal(200, res.status, res.body)
    local _, values = res.body:gsub("leaf:", "")
    local _, encoded = res.body:gsub('"bGVhZjpl', "") -- the same in Base64
    assert.equal(300, math.max(values, encoded), res.body:sub(1, 300))
    assert.equal(0, (n:stop()))
  end)

  it("give their place back: many clients at once, and few places that may wait", function()
    local n = node.start { script = script "max_loads = 4, max_waiting = 4," }
    local fns = {}
    for i = 1, 200 do
      fns[i] = function() ask(n, "2/k" .. i) end
    end
    http.together(fns)
    assert.equal(0, (n:stop()))
  end)

  it("give their place back on two nodes that ask each other", function()
    local nodes = node.cluster(2, { script = script "max_loads = 8, max_waiting = 8," })
    local fns = {}
    for i = 1, 40 do
      fns[i] = function() ask(nodes[i % 2 + 1], "3/k" .. i) end
    end
    http.together(fns)
    rig.stop_all(nodes)
  end)
end)
