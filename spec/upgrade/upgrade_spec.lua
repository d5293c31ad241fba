-- SPDX-License-Identifier: MIT

-- The program of the last release in a ring beside the new one: `make upgrade` builds and names it.

local cjson = require "cjson"
local node = require "support.node"
local rig = require "node.rig"

local LAST = os.getenv "LAST_RELEASE"
local KEYS = 60

-- A value says who has loaded it, and which load of its key that was there.
local SCRIPT = [[
local groupcache = require "groupcache"
local loads = {}
groupcache.group("g", { hot = "never", writable = true, getter = function(key)
  loads[key] = (loads[key] or 0) + 1
  return key .. " is loaded"
end })
groupcache.group("loads", { local_only = true, getter = function(key)
  return tostring(loads[key] or 0), nil, 0
end })
return { workers = 1 }
]]

local SIDES = {
  ["two nodes of the last release and a new one"] = { LAST, LAST, node.binary },
  ["two new nodes and one of the last release"] = { node.binary, node.binary, LAST },
}

local function key(i)
  return "key " .. i
end

local function get(n, k)
  local res = assert(n:get("g", k, { timeout = 20 }))
  return res.status == 200 and res.body or res.status
end

local function put(n, k, value)
  local res = assert(n:get("g", k, { method = "PUT", body = value, timeout = 20 }))
  assert.equal(204, res.status, res.body)
end

local function list(n, keys)
  local res = assert(n:request { method = "POST", target = "/cache/g", timeout = 20,
    headers = { ["Content-Type"] = "application/json" }, body = cjson.encode(keys) })
  assert.equal(200, res.status, res.body)
  return res.body
end

-- What a node with the other's program would not survive is in its log.
local function complaints(n)
  local found = {}
  for line in n:log():gmatch "[^\n]+" do
    if line:find("level=error", 1, true) or line:find("level=warn", 1, true) then
      found[#found + 1] = line
    end
  end
  return found
end

describe("an upgrade", function()
  if not LAST or LAST == "" then
    it("is tried beside the last release", function()
      pending "there is no tag of a release: `make upgrade LAST=COMMIT` names one"
    end)
    return
  end

  for name, programs in pairs(SIDES) do
    describe("with " .. name, function()
      local nodes

      before_each(function()
        nodes = node.cluster(3, { script = SCRIPT, each = function(i, opts)
          opts.program = programs[i]
        end })
      end)

      after_each(function()
        rig.stop_all(nodes)
      end)

      it("gives each key by each node, after one load in the whole cluster", function()
        for i = 1, KEYS do
          for _, n in ipairs(nodes) do
            assert.equal(key(i) .. " is loaded", get(n, key(i)))
          end
        end
        for i = 1, KEYS do
          local loads = 0
          for _, n in ipairs(nodes) do
            loads = loads + tonumber(n:get("loads", key(i)).body)
          end
          assert.equal(1, loads, key(i))
        end
        for _, n in ipairs(nodes) do
          assert.same({}, complaints(n))
        end
      end)

      it("gives many keys in one exchange with each owner", function()
        local keys = {}
        for i = 1, KEYS do
          keys[i] = key(i)
        end
        for _, n in ipairs(nodes) do
          local body = list(n, keys)
          for i = 1, KEYS do
            assert(body:find(key(i) .. " is loaded", 1, true), key(i) .. " is not in the answer")
          end
        end
      end)

      it("brings a change by any node to all of them", function()
        for i, changer in ipairs(nodes) do
          for j = 1, KEYS do
            put(changer, key(j), "set by " .. i)
          end
          for j = 1, KEYS do
            for _, n in ipairs(nodes) do
              assert.equal("set by " .. i, get(n, key(j)))
            end
          end
          for j = 1, KEYS do
            local res = assert(changer:get("g", key(j), { method = "DELETE", timeout = 20 }))
            assert.equal(204, res.status, res.body)
          end
          for _, n in ipairs(nodes) do
            assert.equal(key(1) .. " is loaded", get(n, key(1)))
          end
        end
      end)

      it("loses no request and no change while the nodes are replaced one by one", function()
        for j = 1, KEYS do
          put(nodes[1], key(j), "set before")
        end
        local list_of_peers = {}
        for i, n in ipairs(nodes) do
          list_of_peers[i] = n.url
        end
        for i, n in ipairs(nodes) do
          if programs[i] == LAST then
            assert.equal(0, n:stop(20))
            nodes[i] = node.start { script = SCRIPT, port = n.port, self = n.url,
              peers = list_of_peers }
            for j = 1, KEYS do
              local value = get(nodes[i % 3 + 1], key(j))
              assert(value == "set before" or value == key(j) .. " is loaded", value)
            end
          end
        end
        put(nodes[3], key(1), "set after")
        for _, n in ipairs(nodes) do
          assert.equal("set after", get(n, key(1)))
        end
      end)
    end)
  end
end)
