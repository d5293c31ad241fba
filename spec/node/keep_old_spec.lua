-- SPDX-License-Identifier: MIT

-- A getter that asks its source only whether the old value is still right.

local eventually = require "support.eventually"
local node = require "support.node"
local program = require "api.program"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local seen = "nothing"

local function show(old)
  if not old then return "none" end
  return (type(old.value) == "table" and "n=" .. old.value.n or old.value) .. " " .. old.age
end

groupcache.group("g", { ttl = 0.05, ttl_jitter = 0, keep_old = 60, getter = function(key, ctx)
  seen = show(ctx.old)
  if key == "fails" and ctx.old then return nil, "down" end
  if key == "gone" and ctx.old then return nil end
  if key == "new" and ctx.old then return "another" end
  if ctx.old or key == "at once" then return groupcache.same, nil, key == "long" and 60 or nil end
  return "first of " .. key
end })
groupcache.group("json", { codec = "json", ttl = 0.05, keep_old = 60, getter = function(_, ctx)
  seen = show(ctx.old)
  return ctx.old and groupcache.same or { n = 7 }
end })
groupcache.group("status", { ttl = 0.05, keep_old = 60, getter = function(key, ctx)
  seen = show(ctx.old)
  return ctx.old and groupcache.same or { status = tonumber(key), body = "body" }
end })
groupcache.group("without", { ttl = 0.05, getter = function(key, ctx)
  seen = show(ctx.old)
  return "v"
end })
groupcache.group("headers", { ttl = 0.05, keep_old = 60, getter = function(_, ctx)
  if ctx.old then
    seen = ctx.old.headers.etag .. ctx.old.headers["x-two"][2] .. ctx.old.content_type
    return groupcache.same
  end
  return { body = "v", content_type = "text/x",
    headers = { etag = '"e"', ["x-two"] = { "a", "b" } } }
end })
groupcache.group("seen", { getter = function() return seen, nil, 0 end })
]]

describe("a getter with keep_old", function()
  local n

  before_each(function()
    n = node.start { script = SCRIPT, args = { "--workers", 1 } }
  end)

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  local function get(group, key)
    local res = assert(n:get(group, key))
    return res.status, res.body, res.headers["x-cache"]
  end

  local function seen()
    return (select(2, get("seen", "k")))
  end

  -- Asks until the value has expired and the getter is called again.
  local function again(group, key)
    local status, body, source
    eventually(function()
      status, body, source = get(group, key)
      return source ~= "main"
    end, 5, "it has expired")
    return status, body, source
  end

  it("sees the headers of the old value", function()
    get("headers", "k")
    eventually(function()
      return select(3, get("headers", "k")) == "local"
    end, 10, "it has expired")
    assert.equal('"e"btext/x', seen())
  end)

  it("sees the old value and its age, and keeps its bytes", function()
    assert.same({ 200, "first of k", "local" }, { get("g", "k") })
    assert.equal("none", seen())
    assert.same({ 200, "first of k", "local" }, { again("g", "k") })
    assert.matches("^first of k %d+$", seen())
  end)

  it("may give the bytes another ttl", function()
    get("g", "long")
    again("g", "long")
    local left = tonumber(assert(n:get("g", "long")).headers["cache-control"]:match "%d+")
    assert.is_true(left > 50, left)
  end)

  it("may have another value, or none, or an error, and clients see no old value", function()
    get("g", "new")
    assert.same({ 200, "another", "local" }, { again("g", "new") })
    get("g", "gone")
    assert.equal(404, (again("g", "gone")))
    get("g", "fails")
    assert.equal(502, (again("g", "fails")))
    for _ = 1, 5 do
      assert.equal(502, (get("g", "fails")))
    end
  end)

  it("gets the value decoded, if the group has a codec", function()
    get("json", "k")
    assert.same({ 200, '{"n":7}', "local" }, { again("json", "k") })
    assert.matches("^n=7 %d+$", seen())
  end)

  it("sees an answer with another status if that is a value, and keeps its status", function()
    get("status", "203")
    assert.same({ 203, "body", "local" }, { again("status", "203") })
    assert.matches("^body %d+$", seen())
    get("status", "404")
    assert.same({ 404, "body", "local" }, { again("status", "404") })
    assert.equal("none", seen())
  end)

  it("fails if it has no old value to keep", function()
    local status, body = get("g", "at once")
    assert.equal(502, status)
    assert.matches("returned groupcache.same, and ctx.old is nil", body, 1, true)
  end)

  it("sees none without the option, and in a group alone", function()
    get("without", "k")
    again("without", "k")
    assert.equal("none", seen())
    program.says("nil|GETTER\n", [[
      local g = groupcache.group("g", { ttl = 0.01, keep_old = 60, getter = function(_, ctx)
        assert(ctx.old == nil)
        return groupcache.same
      end })
      local value, _, code = g:get "k"
      say(value, code)
    ]])
  end)
end)
