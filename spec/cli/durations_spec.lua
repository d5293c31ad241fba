-- SPDX-License-Identifier: MIT

-- Durations take units, as sizes do: `ttl = "5m"` was refused.

local groupcache = require "groupcache"
local options = require "groupcache.options"
local node = require "support.node"
local process = require "support.process"
local tmp = require "support.tmp"

local GOOD = 'require("groupcache").group("g", { getter = function(key) return key end })\n'

describe("a duration", function()
  local RULE = { kind = "duration" }
  local cases = {
    { "250ms", 250 }, { "35ms", 35 }, { "0.5ms", 1 }, { "30s", 30000 },
    { "1.5h", 5400000 }, { "5m", 300000 }, { "2d", 172800000 }, { " 5 M ", 300000 },
    { "250MS", 250 }, { 0.25, 250 }, { 0, 0 }, { "0s", 0 },
  }
  for _, case in ipairs(cases) do
    it(("is %s ms when it is %q"):format(case[2], tostring(case[1])), function()
      assert.equal(case[2], options.value(RULE, case[1]))
    end)
  end

  for _, wrong in ipairs { "", "30", "m", "5x", "5 mm", "-5m", "1e3", "5m5s", "5,5s", "0x10",
    "inf" } do
    it(("is refused when it is %q"):format(wrong), function()
      local value, expected = options.value(RULE, wrong)
      assert.is_nil(value)
      assert.equal('a number of seconds, 0 or more, or a text such as "250ms" or "1.5h" (ms, s, m, '
        .. "h or d)", expected)
    end)
  end

  it("has the same bounds with a unit", function()
    assert.is_nil(options.value(RULE, "99999999d"))
    assert.is_nil(options.value({ kind = "duration", above_zero = true }, "0ms"))
  end)

  it("may be an option of a group and of a get", function()
    local group = groupcache.group("g", { ttl = "1.5h", timeout = "5m", getter = tostring })
    assert.equal("a", (group:get("a", "250ms")))
    assert.equal("a", (group:get("a", { timeout = "2s" })))
    local left = group:ttl "a"
    assert.is_true(left > 4800 and left <= 5400)
  end)

  it("may be a setting, a flag and a variable", function()
    local path = tmp.file(GOOD .. 'return { drain_delay = "10ms" }\n', "node.lua")
    local out = process.run { node.binary, "check", path, "--drain-timeout", "1.5m", timeout = 20,
      env = { GROUPCACHE_CONNECT_TIMEOUT = "250ms" } }
    assert.same({ 0, "" }, { out.code, out.stderr })
    out = process.run { node.binary, "check", path, "--drain-timeout", "1x", timeout = 20 }
    assert.equal('groupcached: --drain-timeout is "1x", and must be a number of seconds, 0 or '
      .. 'more, or a text such as "250ms" or "1.5h" (ms, s, m, h or d); see groupcached --help\n',
      out.stderr)
  end)

  it("of a setting is what the node does", function()
    local n = node.start { script = GOOD, args = { "--drain-delay", "300ms" } }
    local socket = require "socket"
    local began = socket.gettime()
    assert.equal(0, (n:stop()))
    local took = socket.gettime() - began
    assert.is_true(took >= 0.3 and took < 5)
  end)

  it("may be one of http", function()
    local n = node.start { script = [[
      local groupcache = require "groupcache"
      local http = require "groupcache.http"
      groupcache.group("g", { timeout = "20s", getter = function(key)
        local _, message, code = http.get("http://192.0.2.1:1/", { timeout = key })
        return code
      end })
    ]] }
    local res = n:get("g", "50ms")
    local wrong = n:get("g", "50 parsecs")
    n:stop()
    assert.matches("^TIMEOUT$", res.body:gsub("PEER", "TIMEOUT")) -- where nothing is routed
    assert.equal(502, wrong.status)
    assert.matches("timeout is a string, and must be a number", wrong.body, 1, true)
  end)
end)

describe("a variable of the environment with the name of no setting", function()
  it("is one warning, and no end", function()
    local n = node.start { script = GOOD, env = { GROUPCACHE_PORT = "tcp://10.0.0.1:8080",
      GROUPCACHE_WOKERS = "2", GROUPCACHE_WORKERS = "1" } }
    assert.equal("a", n:get("g", "a").body)
    assert.equal(1, n:stats().workers.vms)
    n:stop()
    local _, count = n:log():gsub("unknown settings", "")
    assert.equal(1, count)
    assert.truthy(n:logged 'level=warn [^\n]* names="GROUPCACHE_PORT GROUPCACHE_WOKERS"\n')
  end)

  it("is said by check, too", function()
    local out = process.run { node.binary, "check", tmp.file(GOOD, "node.lua"), timeout = 20,
      env = { GROUPCACHE_X = "1" } }
    assert.equal(0, out.code)
    assert.matches('names="GROUPCACHE_X"\n', out.stderr, 1, true)
  end)
end)
