-- SPDX-License-Identifier: MIT

-- groupcache.all gave two of three results, so the code of a get was lost: a page of a user that
-- does not exist was 502, and was never kept. Functions with names, and those behind a hole, were
-- not run.

local cjson = require "cjson"
local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local users = groupcache.group("users", { getter = function(id)
  if id == "ann" then return "user " .. id end
  if id == "late" then return nil, "the origin is late", "TIMEOUT" end
end })

local pages = 0
groupcache.group("pages", { negative_ttl = 60, getter = function(id)
  pages = pages + 1
  local values, errors, codes = groupcache.all {
    user = function() return users:get(id) end,
    cart = function() return "cart" end,
  }
  if not values.user then return nil, errors.user, codes.user end
  return values.user .. " " .. values.cart
end })
groupcache.group("count", { ttl = 0, getter = function() return tostring(pages), nil, 0 end })

groupcache.group("results", { codec = "json", getter = function()
  local v, e, c = groupcache.all {
    function() return users:get "bob" end,
    function() return "two", nil, "local" end,
    x = function() groupcache.sleep(0) return 1, 2, 3, 4 end,
    y = function() end,
  }
  return { v2 = v[2], vx = v.x, e1 = e[1], ex = e.x, c1 = c[1], c2 = c[2], cx = c.x,
    empty = v.y == nil and v[1] == nil and next((groupcache.all {})) == nil }
end })

local ran = 0
local function run() ran = ran + 1 return ran end
local LISTS = {
  hole = function() return { run, nil, run } end,
  tail = function() return { run, run, nil, run } end,
  zero = function() return { run, [0] = run } end,
  negative = function() return { run, [-1] = run } end,
  fraction = function() return { run, [1.5] = run } end,
  large = function() return { run, [2 ^ 40] = run } end,
  bool = function() return { [true] = run } end,
  name = function() return { run, x = 5 } end,
  n = function() return { run, n = 1 } end,
}
groupcache.group("refused", { getter = function(key)
  local ok, err = pcall(groupcache.all, LISTS[key]())
  return ("%s %d %s"):format(tostring(ok), ran, err)
end })
]]

describe("groupcache.all", function()
  local n

  setup(function()
    n = node.start { script = SCRIPT, args = { "--workers", 1 } }
  end)

  teardown(function()
    rig.stop(n)
  end)

  it("gives the code of a get, which is kept and answered as the code says", function()
    assert.equal("user ann cart", assert(n:get("pages", "ann")).body)
    for _ = 1, 3 do
      local res = assert(n:get("pages", "bob"))
      assert.same({ 404, "NOTFOUND" }, { res.status, cjson.decode(res.body).code })
    end
    assert.equal("2", assert(n:get("count", "now")).body)
    local res = assert(n:get("pages", "late"))
    assert.same({ 504, "TIMEOUT" }, { res.status, cjson.decode(res.body).code })
  end)

  it("gives three results of each, under its place or its name", function()
    local res = assert(n:get("results", "k"))
    local got = cjson.decode(res.body)
    assert.matches("not found", got.e1)
    got.e1 = nil
    assert.same({ v2 = "two", vx = 1, ex = 2, cx = 3, c1 = "NOTFOUND", c2 = "local", empty = true },
      got)
  end)

  it("raises for a list with a hole or without functions, before any function runs", function()
    for key, said in pairs { hole = "item 2 is nil", tail = "item 3 is nil", zero = "item 2 is nil",
      negative = "item 2 is nil", fraction = "item 2 is nil", large = "item 2 is nil",
      bool = "item 1 is nil", name = "item x is a number, and must be a function",
      n = "item n is a number, and must be a function" } do
      local body = assert(n:get("refused", key)).body
      assert.matches("^false 0 .*groupcache.all: " .. said, body, key)
    end
  end)
end)
