-- SPDX-License-Identifier: MIT

-- One of three nodes gets into trouble while clients in closed loops ask the others. No request
-- fails, and soon none is slow. `make outage` prints the figures of a busier cluster.

local eventually = require "support.eventually"
local http = require "support.http"
local outage = require "node.outage"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"

if os.getenv "OUTAGE_INSIDE" then
  describe("a node in trouble", function()
    it("is cut off", function()
      outage.check "cut"
    end)
  end)
  return
end

describe("a node in trouble fails no request of the others'", function()
  for _, kind in ipairs(outage.KINDS) do
    if kind ~= "cut" then
      it("by " .. kind, function()
        outage.check(kind)
      end)
    end
  end

  -- The whole file runs once more, in a network namespace of its own, where this alone is tried.
  it("by cut", function()
    local ok, why = outage.has_namespaces()
    if os.getenv "SAN" then
      ok, why = nil, "not under a sanitizer"
    end
    if not ok then
      pending("a black hole was not tried: " .. why)
      return
    end
    local run = process.run(outage.in_namespace { "luajit", arg[0], "--ignore-lua",
      "spec/node/outage_spec.lua", env = { OUTAGE_INSIDE = "1" }, timeout = 120 })
    assert(run.code == 0, run.stdout .. run.stderr)
    assert.matches("1 passed", run.stdout, 1, true)
  end)
end)

describe("a slow getter of a node that lives", function()
  local r, c, slow

  setup(function()
    r = rig.new()
    c = outage.start { kind = "stop", script = r:script(outage.SCRIPT) }
    slow = 0
    for i = 1, 100 do -- the node learns how soon its peers answer
      local key = rig.owned_by(c.urls, c.urls[3], "quick" .. i)
      assert.equal(200, assert(c.nodes[1]:get("g", key)).status)
    end
  end)

  teardown(function()
    c:stop()
  end)

  -- Gets of new keys of the third node, all at once. Returns whether it was silent meanwhile.
  local function get(n)
    local keys, tasks = {}, {}
    for i = 1, n do
      slow = slow + 1
      keys[i] = rig.owned_by(c.urls, c.urls[3], "slow" .. slow)
      tasks[i] = function()
        local res = assert(c.nodes[1]:get("slow", keys[i]))
        assert.same({ 200, keys[i] }, { res.status, res.body })
      end
    end
    local before = c:seen_by(1)
    local began = socket.gettime()
    http.together(tasks)
    assert(socket.gettime() - began >= 1.4)
    local calls, now = r:calls(), c:seen_by(1)
    if now.hedges > before.hedges or now.ejections > before.ejections then
      return true
    end
    for _, key in ipairs(keys) do
      assert.equal(1, calls[key])
    end
  end

  -- A busy machine may stop a node for a while; then another try counts.
  local function check(n)
    for _ = 1, 3 do
      if not get(n) then
        return
      end
      eventually(function() return c:seen_by(1).state == "fine" end, 20, "in use again")
    end
    error "a node with slow getters was taken for silent three times"
  end

  it("runs once for a single get", function()
    check(1)
  end)

  it("runs once for each of many gets at the same time", function()
    check(200)
  end)
end)
