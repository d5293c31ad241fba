-- SPDX-License-Identifier: MIT

-- An error that a getter returned was in no log at any level: clients got 502, and the operator had
-- nothing to look at.

local eventually = require "support.eventually"
local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local group = require("groupcache").group
group("g", { timeout = 0.3, getter = function(key)
  if key == "number" then return 5 end
  if key == "absent" then return nil end
  if key == "slow" then require("groupcache").sleep(5) end
  if key:find "^down" then return nil, "the origin is\n\"down\"" end
  if key == "peer" then return nil, "refused", "PEER" end
  return key
end })
group("stale", { ttl = 0.001, stale_if_error = 60, getter = function(key)
  if not fed then fed = true return "fed" end
  return nil, "cannot refresh"
end })
group("quiet", { getter = function() end })
]]

-- Lines about failed loads of a group, in order: { count =, code =, key =, error =, source = }.
local function failures(n, group)
  local list = {}
  for line in n:log():gmatch("[^\n]+") do
    local rest = line:match('level=warn mod=group msg="loads failed" group=' .. group .. " (.*)")
    if rest then
      local count, source, code, key, err = rest:match(
        '^count=(%d+) source=(%w+) code=(%u+) key="(.-)" error="(.*)"$')
      list[#list + 1] = { count = tonumber(count), source = source, code = code, key = key,
        error = err }
    end
  end
  return list
end

describe("a load that fails", function()
  local n

  before_each(function()
    n = node.start { script = SCRIPT, args = { "--workers", "1" } }
  end)

  after_each(function()
    n:stop()
  end)

  local cases = {
    number = { "GETTER", "group g: the getter returned a number, not a string" },
    ["down\n1"] = { "GETTER", "the origin is\\x0a\\x22down\\x22", "down\\x0a1" },
    peer = { "PEER", "refused" },
    slow = { "TIMEOUT", "group g: " },
  }
  for key, case in pairs(cases) do
    it(("is in the log: %q"):format(key), function()
      assert.is_true(assert(n:get("g", key)).status >= 500)
      local line = eventually(function() return failures(n, "g")[1] end, 5, "a line")
      assert.equal(case[2], line.error:sub(1, #case[2]))
      line.error = nil
      assert.same({ count = 1, source = "getter", code = case[1], key = case[3] or key }, line)
    end)
  end

  it("is in one line with its like, once a second", function()
    for i = 1, 50 do
      n:get("g", "down" .. i)
    end
    local total = 0
    eventually(function()
      total = 0
      for _, line in ipairs(failures(n, "g")) do
        total = total + line.count
      end
      return total == 50
    end, 5, "all are counted")
    assert.is_true(#failures(n, "g") <= 3)
  end)

  it("is in the log when a stale value stands in for it", function()
    assert.equal("fed", n:get("stale", "k").body)
    eventually(function()
      return n:get("stale", "k").headers["x-cache"] == "stale"
    end, 5, "a stale value")
    local line = eventually(function() return failures(n, "stale")[1] end, 5, "a line")
    assert.equal("cannot refresh", line.error)
  end)

  it("is in the log although the node stops at once", function()
    n:get("g", "down")
    assert.equal(0, (n:stop()))
    assert.equal(1, failures(n, "g")[1].count)
  end)

  it("has no line when there is no such value", function()
    assert.equal(404, n:get("quiet", "k").status)
    assert.equal(404, n:get("g", "absent").status)
    n:stop()
    assert.same({ {}, {} }, { failures(n, "quiet"), failures(n, "g") })
  end)
end)

describe("a load that failed at its owner", function()
  it("is in the logs of both nodes", function()
    local nodes = node.cluster(2, { script = SCRIPT })
    local asked = {}
    for i = 1, 20 do
      asked[i] = "down" .. i
      nodes[1]:get("g", asked[i])
    end
    eventually(function()
      local sources = {}
      for _, line in ipairs(failures(nodes[1], "g")) do
        sources[line.source] = line.error
      end
      return sources.peer or sources.getter
    end, 5, "a line")
    local own = eventually(function() return failures(nodes[2], "g")[1] end, 5, "the owner's")
    assert.equal("getter", own.source)
    rig.stop_all(nodes)
  end)
end)
