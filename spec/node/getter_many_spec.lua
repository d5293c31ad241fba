-- SPDX-License-Identifier: MIT

-- A getter of many keys: which loads come as one call, and what each of them gets.

local cjson = require "cjson"
local http = require "support.http"
local node = require "support.node"
local program = require "api.program"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local calls, largest = 0, 0

local function note(keys)
  calls, largest = calls + 1, math.max(largest, #keys)
end

groupcache.group("g", { cache_bytes = 0, max_keys = 50, getter_many = function(keys, ctx)
  note(keys)
  assert(ctx.group == "g" and ctx.deadline > groupcache.now())
  local values, errors, ttls = {}, {}, {}
  for _, key in ipairs(keys) do
    if key:find "^bad" then
      errors[key] = "no luck with " .. key
    elseif key:find "^busy" then
      errors[key] = { message = "later", code = "BUSY" }
    elseif not key:find "^none" then
      values[key], ttls[key] = "value of " .. key, 60
    end
  end
  return values, errors, ttls
end })

groupcache.group("missing", { negative_ttl = 600, getter_many = function(keys)
  note(keys)
  local ttls = {}
  for _, key in ipairs(keys) do ttls[key] = tonumber(key:match "%d+") end
  return {}, nil, ttls
end })

groupcache.group("slow", { getter_many = function(keys)
  note(keys)
  groupcache.sleep(0.2)
  local values = {}
  for _, key in ipairs(keys) do values[key] = key:upper() end
  return values
end })

groupcache.group("hangs", { timeout = 0.5, max_keys = 2, getter_many = function(keys)
  if keys[1] == "fine" then return { fine = "value" } end
  groupcache.sleep(100)
end })

groupcache.group("fails", { getter_many = function() return nil, "the source is down", "PEER" end })
groupcache.group("throws", { getter_many = function() error("oh", 0) end })
groupcache.group("odd", { getter_many = function() return "text" end })

local function each(keys)
  rig.record(tostring(#keys))
  groupcache.sleep(0.05)
  local values, errors = {}, {}
  for _, key in ipairs(keys) do
    if key:find "^bad" then errors[key] = "no luck" else values[key] = key:upper() end
  end
  return values, errors
end

groupcache.group("each", { cache_bytes = 0, getter_many = each })
groupcache.group("waits", { timeout = 60, gather = 30, max_keys = 64, getter_many = each })

local state = groupcache.shared "state"

groupcache.group("pairs", { timeout = 60, max_keys = 2, max_loads = 2, getter_many = function(keys)
  rig.record(tostring(state:incr("calls", 1)))
  groupcache.sleep(0.05)
  state:incr("calls", -1)
  local values = {}
  for _, key in ipairs(keys) do values[key] = key:upper() end
  return values
end })

groupcache.group("counted", { getter = function()
  local text = ("%d %d"):format(calls, largest)
  calls, largest = 0, 0
  return text, nil, 0
end })
]]

describe("a getter of many keys", function()
  local n

  before_each(function()
    n = node.start { script = SCRIPT, args = { "--workers", 1 } }
  end)

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  local function counted()
    local calls, largest = assert(n:get("counted", "k")).body:match "(%d+) (%d+)"
    return tonumber(calls), tonumber(largest)
  end

  local function ask(group, keys)
    local res = assert(n:request { method = "POST", target = "/cache/" .. group,
      headers = { ["Content-Type"] = "application/json" }, body = cjson.encode(keys) })
    assert.equal(200, res.status, res.body)
    local ends = {}
    for _, one in ipairs(cjson.decode(res.body).results) do
      ends[one.key] = one.value or one.code
    end
    return ends
  end

  local function names(count, word)
    local list = {}
    for i = 1, count do
      list[i] = word .. i
    end
    return list
  end

  it("gets the loads of one list in few calls, none with more than max_keys", function()
    ask("g", names(200, "k"))
    local calls, largest = counted()
    assert.is_true(calls >= 4 and calls <= 20, calls)
    assert.is_true(largest <= 50, largest)
  end)

  it("gets loads of clients that ask at the same moment", function()
    local requests = {}
    for i = 1, 40 do
      requests[i] = { host = n.host, port = n.port, target = "/cache/slow/k" .. i }
    end
    for i, res in ipairs(http.parallel(requests, 40)) do
      assert.equal("K" .. i, res.body)
    end
    local calls = counted()
    assert.is_true(calls <= 8, calls)
  end)

  it("goes on once calls that hang have been stopped", function()
    local requests = {}
    for i = 1, 12 do
      requests[i] = { host = n.host, port = n.port, target = "/cache/hangs/k" .. i }
    end
    for _, res in ipairs(http.parallel(requests, 12)) do
      assert.equal(504, res.status)
    end
    assert.equal(200, assert(n:get("hangs", "fine")).status)
  end)

  it("gives each key its own end", function()
    local function end_of(group, key)
      local res = assert(n:get(group, key))
      return { res.status, res.body:match '"code":"(%u+)"' or res.body }
    end
    assert.same({ 200, "value of k" }, end_of("g", "k"))
    assert.same({ 404, "NOTFOUND" }, end_of("g", "none"))
    assert.same({ 502, "GETTER" }, end_of("g", "bad"))
    assert.same({ 503, "BUSY" }, end_of("g", "busy"))
    assert.same({ 502, "PEER" }, end_of("fails", "k"))
    assert.same({ 502, "GETTER" }, end_of("throws", "k"))
    assert.same({ 502, "GETTER" }, end_of("odd", "k"))
    assert.matches("getter_many returned a string", assert(n:get("odd", "k")).body)
    assert.matches("no luck with bad1", assert(n:get("g", "bad1")).body)
  end)

  it("says of each missing key how long that is kept", function()
    local function loads(key)
      for _ = 1, 3 do
        assert.equal(404, assert(n:get("missing", key)).status)
      end
      return (counted())
    end
    assert.equal(1, loads "for 60")
    assert.equal(3, loads "for 0")
    assert.equal(1, loads "for the group's time")
  end)

  it("keeps the errors of some keys from the others", function()
    assert.same({ a = "value of a", b = "value of b", bad = "GETTER", none = "NOTFOUND",
      busy = "BUSY" }, ask("g", { "a", "bad", "b", "none", "busy" }))
  end)
end)

describe("a getter of many keys in four VMs", function()
  local WORKERS = 4
  local r, n

  before_each(function()
    r, n = rig.start(SCRIPT, { args = { "--workers", WORKERS } })
  end)

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  it("gets the keys of one list in one call", function()
    local keys = {}
    for i = 1, 16 do
      keys[i] = "k" .. i
    end
    for round = 1, 5 do
      local res = assert(n:request { method = "POST", target = "/cache/each",
        headers = { ["Content-Type"] = "application/json" }, body = cjson.encode(keys) })
      assert.equal(200, res.status, res.body)
      assert.same({ ["16"] = round }, r:calls())
    end
  end)

  -- 64 clients ask for a key each, of which some fail. -> calls
  local function ask_at_once(group)
    local before, requests = r:total(), {}
    for i = 1, 64 do
      requests[i] = { host = n.host, port = n.port,
        target = "/cache/" .. group .. "/" .. (i % 8 == 0 and "bad" or "k") .. i }
    end
    for i, res in ipairs(http.parallel(requests, 64)) do
      assert.equal(i % 8 == 0 and 502 or 200, res.status)
    end
    return r:total() - before
  end

  -- The first of them begins at once, and the others gather behind it. A busy machine may let them
  -- come so late that there are more calls.
  it("gets two calls for many clients that ask at once", function()
    local fewest = math.huge
    for _ = 1, 5 do
      fewest = math.min(fewest, ask_at_once "each")
      if fewest <= 3 then break end
    end
    assert.is_true(fewest <= 3, fewest)
  end)

  it("gets one call if the group waits for companions", function()
    assert.equal(1, ask_at_once "waits")
  end)

  it("gets no more calls at a time than max_loads", function()
    local requests = {}
    for i = 1, 30 do
      requests[i] = { host = n.host, port = n.port, target = "/cache/pairs/k" .. i }
    end
    for i, res in ipairs(http.parallel(requests, 30)) do
      assert.equal("K" .. i, res.body)
    end
    local most = 0
    for at_once in pairs(r:calls()) do
      most = math.max(most, tonumber(at_once))
    end
    assert.equal(2, most)
  end)
end)

describe("getter_many", function()
  it("of a group alone gets one key a call", function()
    program.says("1|A\nnil|GETTER\n", [[
      local g = groupcache.group("g", { getter_many = function(keys)
        if keys[1] == "bad" then error "oh" end
        return { [ keys[1] ] = #keys .. "|" .. keys[1]:upper() }
      end })
      say((g:get "a"))
      local value, _, code = g:get "bad"
      say(value, code)
    ]])
  end)

  it("may wait for companions less long than its timeout", function()
    program.says('group "g": gather is 2 s, and must be less than timeout, 2 s\n', [[
      local _, err = pcall(groupcache.group, "g", { getter_many = print, gather = 2, timeout = 2 })
      say((err:gsub("^[^ ]+: ", "")))
    ]])
  end)

  it("is one of two, and one is needed", function()
    program.says("true|true\n", [[
      local _, none = pcall(groupcache.group, "g", {})
      local _, both = pcall(groupcache.group, "g", { getter = print, getter_many = print })
      say(none:find "getter is missing" ~= nil, both:find "two getters" ~= nil)
    ]])
  end)
end)
