-- SPDX-License-Identifier: MIT

--- Our nodes as the interop specs need them: the Go nodes' getter in Lua, and its calls on record.
--
--   nodes.start{ ...as for support.node } -> c    a node of support.node, and
--     c:asking(key)        the request of a client for the key, for http.request and conn:request
--     c:loads()            key -> calls of the getter on this node
--   nodes.mixed(go, c) -> { go1, ..., c1, ... }   so many of each kind in one ring
--   nodes.stop(list)
--   nodes.together(list, key) -> { res, ... }     asks all nodes for the key at the same moment, on
--                                                 connections that stay open for the next key

local golang = require "interop.golang"
local http = require "support.http"
local keys = require "interop.keys"
local lfs = require "lfs"
local node = require "support.node"
local ports = require "support.ports"
local tmp = require "support.tmp"

local nodes = {}

-- The getter of gonode/group.go. Every VM logs to a file of its own, named after an address that no
-- other VM of the process has: two VMs appending long lines to one file could mix them.
local SCRIPT = [[
local groupcache = require "groupcache"

local mark = {}
local log = assert(io.open("%s/" .. tostring(mark):match "0x%%x+", "a"))

local function record(key)
  local line = key:gsub(".", function(c) return ("%%02x"):format(c:byte()) end)
  assert(log:write(line, "\n"))
  assert(log:flush())
end

groupcache.group("interop", {
  getter = function(key)
    record(key)
    if key:find "^err:" then
      return nil, "getter failed: " .. key
    elseif key:find "^empty:" then
      return ""
    end
    local n = tonumber(key:match "^big:(%%d+)$" or key:match "^big:(%%d+):")
    if n then
      local pattern = "0123456789abcdef"
      return pattern:rep(math.floor(n / #pattern) + 1):sub(1, n)
    end
    return "v:" .. key
  end,
})
]]

local function loads(self)
  local found = {}
  for name in lfs.dir(self.loads_dir) do
    if name:sub(1, 1) ~= "." then
      for line in tmp.read(self.loads_dir .. "/" .. name):gmatch "(%x*)\n" do
        local key = keys.unhex(line)
        found[key] = (found[key] or 0) + 1
      end
    end
  end
  return found
end

local function asking(self, key)
  return { port = self.port, target = "/cache/interop/" .. keys.escape(key) }
end

function nodes.start(opts)
  local mine = {}
  for k, v in pairs(opts or {}) do
    mine[k] = v
  end
  local dir = tmp.dir()
  mine.script = SCRIPT:format(dir)
  local c = node.start(mine)
  c.kind, c.loads_dir, c.loads, c.asking = "c", dir, loads, asking
  return c
end

function nodes.mixed(go_count, c_count)
  local list, peers = {}, {}
  for i = 1, go_count do
    list[i] = golang.start()
    peers[i] = list[i].url
  end
  local chosen = {}
  for i = 1, c_count do
    chosen[i] = ports.free()
    peers[go_count + i] = "http://127.0.0.1:" .. chosen[i]
  end
  for i = 1, go_count do
    list[i]:set_peers(peers)
  end
  for i = 1, c_count do
    list[go_count + i] = nodes.start { port = chosen[i], peers = peers }
  end
  return list, peers
end

-- list may be nil or short, when setting up failed.
function nodes.stop(list)
  for _, n in ipairs(list or {}) do
    if n.kind == "go" then
      n:kill9()
    else
      local code, how, number = n:stop()
      assert(code == 0, ("our node ended with %s %s"):format(code or how, number or ""))
    end
  end
end

function nodes.together(list, key)
  local results, fns = {}, {}
  for i, n in ipairs(list) do
    local request = n:asking(key)
    n.conn = n.conn or assert(http.connect("127.0.0.1", request.port))
    fns[i] = function()
      results[i] = assert(n.conn:request(request))
      if not results[i].keep_alive then
        n.conn:close()
        n.conn = nil
      end
    end
  end
  http.together(fns)
  return results
end

return nodes
