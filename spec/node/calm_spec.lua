-- SPDX-License-Identifier: MIT

-- A source that fails under clients that ask on and on: it is left alone, clients are answered at
-- once, and it is asked again soon after it is back.

local eventually = require "support.eventually"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"

local SCRIPT = [[
local groupcache = require "groupcache"
local calls, fails = 0, true

local function getter(key)
  calls = calls + 1
  if fails then return nil, "the source is down" end
  return "value of " .. key
end

groupcache.group("g", { breaker = 5, getter = getter })
groupcache.group("slow", { max_rate = 20, getter = getter })
groupcache.group("calls", { getter = function(key)
  local n = calls
  calls, fails = 0, key:find "fails" ~= nil
  return tostring(n), nil, 0
end })
]]

describe("a source that fails as a whole", function()
  local n

  before_each(function()
    n = node.start { script = SCRIPT, args = { "--workers", 1 } }
  end)

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  local function get(key)
    return assert(n:get("g", key))
  end

  -- The breaker is open from here on.
  local function break_it()
    for i = 1, 5 do
      assert.equal(502, get("k" .. i).status)
    end
  end

  it("is asked a few times a second at most, and clients get 503 at once", function()
    break_it()
    local begin, asked = socket.gettime(), 0
    while socket.gettime() - begin < 0.5 do
      asked = asked + 1
      local res = get("more" .. asked)
      if res.status ~= 502 then -- else it was a probe
        assert.same({ 503, "1" }, { res.status, res.headers["retry-after"] })
        assert.matches('"BUSY"', res.body)
      end
    end
    local took = socket.gettime() - begin
    local calls = tonumber(n:get("calls", "fails").body)
    assert.is_true(asked > 20, asked)
    assert.is_true(calls <= 5 + 4 + took, calls)
  end)

  it("is asked by all again within a second of its return", function()
    break_it()
    n:get("calls", "it is back")
    local begin = socket.gettime()
    eventually(function()
      return get("again" .. socket.gettime()).status == 200
    end, 5, "it is asked")
    assert.is_true(socket.gettime() - begin < 15)
    for i = 1, 20 do
      assert.equal(200, get("new" .. i).status)
    end
  end)

  it("is in the figures and in the log, with a line a change", function()
    break_it()
    get "one more"
    local s = n:stats().groups.g
    assert.same({ true, 1 }, { s.breaker_open, s.breaker_opens })
    assert.is_true(s.breaker_refused >= 1)
    eventually(function() return n:logged "the breaker is open" end, 5, "the log says so")
    n:get("calls", "it is back")
    eventually(function() return get("k" .. socket.gettime()).status == 200 end, 5, "it answers")
    eventually(function() return n:logged "the breaker is closed" end, 5, "the log says so")
    assert.is_false(n:stats().groups.g.breaker_open)
    local _, lines = n:log():gsub("the breaker is", "")
    assert.equal(2, lines)
    assert.matches('level=warn [^\n]*group=g code=GETTER error="the source is down"', n:log())
  end)

  it("gets no more loads a second than max_rate", function()
    n:get("calls", "it is back")
    local begin = socket.gettime()
    for i = 1, 11 do
      assert.equal(200, assert(n:get("slow", "k" .. i)).status)
    end
    local took = socket.gettime() - begin
    assert.is_true(took > 0.4, took) -- the first two at once, then one each 50 ms
  end)
end)
