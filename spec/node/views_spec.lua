-- SPDX-License-Identifier: MIT

-- Nodes whose rings differ: no node waits for another in a circle, and no load goes to a third
-- node. A getter runs for a key at most once for each ring that there is.

local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local socket = require "socket"

local KEYS, QUICK_S = 60, 2

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { hot = "never", timeout = 10, getter = function(key, ctx)
  rig.record(key)
  groupcache.sleep(0.05)
  return key .. "@" .. os.getenv "NODE"
end })
return { workers = 1, http_threads = 1 }
]]

-- Nodes with the given opts each; opts.peers may name a node by its number, "self" is another name
-- of the node itself.
local function start(r, views)
  local nodes, at, urls = {}, {}, {}
  for i in ipairs(views) do
    at[i] = ports.free()
    urls[i] = "http://127.0.0.1:" .. at[i]
  end
  for i, view in ipairs(views) do
    local peers, self = {}, view.self or urls[i]
    for k, peer in ipairs(view.peers) do
      peers[k] = type(peer) == "number" and urls[peer] or peer:gsub("PORT(%d)", function(n)
        return at[tonumber(n)]
      end)
    end
    self = self:gsub("PORT(%d)", function(n) return at[tonumber(n)] end)
    nodes[i] = node.start { port = at[i], self = self, peers = peers, script = r:script(SCRIPT),
      args = view.args, env = { NODE = "n" .. i }, ready = false }
  end
  for _, n in ipairs(nodes) do
    local ready
    repeat
      ready = n:request { target = "/readyz" }
    until ready and ready.status == 200
  end
  return nodes, urls
end

local VIEWS = {
  ["the lists differ"] = {
    { peers = { 1, 2, 3 } }, { peers = { 1, 2, 3 } }, { peers = { 2, 3 } },
  },
  ["the replicas differ"] = {
    { peers = { 1, 2, 3 }, args = { "--replicas", "50" } },
    { peers = { 1, 2, 3 }, args = { "--replicas", "7" } },
    { peers = { 1, 2, 3 }, args = { "--replicas", "50" } },
  },
  ["each node has replicas of its own"] = { rings = 3,
    { peers = { 1, 2, 3 }, args = { "--replicas", "50" } },
    { peers = { 1, 2, 3 }, args = { "--replicas", "7" } },
    { peers = { 1, 2, 3 }, args = { "--replicas", "20" } },
  },
  ["a node has two names"] = {
    { peers = { 1, 2, "http://localhost:PORT2" } },
    { self = "http://localhost:PORT2", peers = { 1, "http://localhost:PORT2" } },
  },
  ["a node lists itself under another name, too"] = {
    { peers = { 1, "http://localhost:PORT1", 2 } }, { peers = { 1, 2 } },
  },
  -- Each believes that its own name owns nothing that the other's does.
  ["the rings are inverted"] = {
    { self = "http://127.0.0.1:1", peers = { "http://127.0.0.1:1", 2 } },
    { self = "http://127.0.0.1:2", peers = { "http://127.0.0.1:2", 1 } },
  },
}

for what, views in pairs(VIEWS) do
  describe("when " .. what, function()
    local r, nodes

    setup(function()
      r = rig.new()
      nodes = start(r, views)
    end)

    teardown(function()
      rig.stop_all(nodes)
    end)

    local rings = views.rings or 2

    it("all nodes answer for every key, and a getter runs at most once a ring", function()
      local tasks, failed = {}, {}
      local began = socket.gettime()
      for i = 1, KEYS do
        for _, n in ipairs(nodes) do
          tasks[#tasks + 1] = function()
            local key = "key-" .. i
            local res, err = n:get("g", key)
            if not res or res.status ~= 200 or res.body:match "^(.*)@" ~= key then
              failed[#failed + 1] = key .. ": " .. (res and res.status .. " " .. res.body or err)
            end
          end
        end
      end
      http.together(tasks)
      local took = socket.gettime() - began
      assert.same({}, failed)
      assert(took < QUICK_S * 5, ("%.2f s"):format(took))
      for key, calls in pairs(r:calls()) do
        assert(calls <= rings, ("%s: %d calls"):format(key, calls))
      end
    end)

    it("a request of a node goes to no third one", function()
      local before = {}
      for i, n in ipairs(nodes) do
        before[i] = n:stats().groups.g.server_requests
      end
      assert.equal(200, assert(nodes[1]:get("g", "new key")).status)
      local all = 0
      for i, n in ipairs(nodes) do
        all = all + n:stats().groups.g.server_requests - before[i]
      end
      assert(all <= 1, all)
    end)

    it("no peer is taken for one in trouble", function()
      for _, n in ipairs(nodes) do
        for _, peer in ipairs(n:stats().peers) do
          assert.equal(0, peer.ejections)
        end
      end
    end)
  end)
end
