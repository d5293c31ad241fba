-- SPDX-License-Identifier: MIT

-- examples/k8s: the script and the settings in the manifest are those that a node would start with,
-- and its URL is that of its SRV record. `make manifests` checks the rest against the schemas.

local node = require "support.node"
local process = require "support.process"
local tmp = require "support.tmp"

describe("examples/k8s/groupcache.yaml", function()
  local manifest = tmp.read "examples/k8s/groupcache.yaml"

  local function env()
    local set = { POD_NAME = "groupcache-0", POD_NAMESPACE = "default" }
    for name, value in manifest:gmatch '%- name: (GROUPCACHE_[%u_]+)\n%s+value: "([^"]*)"' do
      set[name] = value:gsub("%$%((%w+_%w+)%)", set)
    end
    return set
  end

  local function script()
    local text = manifest:match "node%.lua: |\n(.-)\n%-%-%-"
    return tmp.file(text:gsub("\n    ", "\n"):gsub("^    ", ""), "node.lua")
  end

  it("has a script and settings that are fine", function()
    local r = process.run { node.binary, "check", script(), env = env() }
    assert.equal(0, r.code, r.stderr)
    assert.matches("fine, 1 group: pages", r.stdout, 1, true)
  end)

  it("names the port, the service and the pods the same everywhere", function()
    local set = env()
    local service, port = manifest:match "clusterIP: None.-%- { name: (%w+), port: (%d+) }"
    local name = manifest:match "serviceName: (%w+)"
    assert.equal(("dns+srv://_%s._tcp.%s.default.svc.cluster.local"):format(service, name),
      set.GROUPCACHE_PEERS)
    assert.equal(("http://groupcache-0.%s.default.svc.cluster.local:%s"):format(name, port),
      set.GROUPCACHE_SELF)
    assert.equal("0.0.0.0:" .. port, set.GROUPCACHE_LISTEN)
    assert.truthy(manifest:find("name: " .. service .. ", containerPort: " .. port, 1, true))
    assert.truthy(manifest:find("publishNotReadyAddresses: true", 1, true))
  end)

  it("gives a pod the time that a node takes to end", function()
    local set = env()
    local grace = tonumber(manifest:match "terminationGracePeriodSeconds: (%d+)")
    assert.is_true(grace > 2 + tonumber(set.GROUPCACHE_DRAIN_DELAY) + 10)
  end)
end)
