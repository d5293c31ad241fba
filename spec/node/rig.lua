-- SPDX-License-Identifier: MIT

--- For getters of a spec's nodes: they record their calls, and wait at a gate until the spec opens
-- it. Both use files, since getters run in other processes.
--
--   local r = rig.new()
--   node.start { script = r:script [[ ... rig.record(key) ... rig.gate("name") ... ]] }
--   r:open("name")                the getters at the gate go on, later ones do not wait
--   r:calls() -> { key = times }  how often record() was called, over all nodes of this rig
--   r:total() -> times
--   rig.wait(n, fn, timeout, what)   eventually() for inside of http.together: it asks the node for
--                                    its health between two looks, which lets the others go on
--
-- A script finds the files that a spec writes with r:file(name, bytes) in rig.dir. The script's
-- lines keep their numbers.
--
--   local r, n = rig.start(source, opts)    a node with that script, of one worker unless `args`
--                                           says more; the other opts are node.start()'s
--   rig.stop(n)                             ends a node, and insists that it ends well
--   rig.stop_all(nodes)                     the same of all, frozen ones too, but for those that
--                                           the spec has ended or waited for
--   rig.reload(nodes, wait)                 SIGHUP to each, and wait for its reload; inside of
--                                           http.together, wait is rig.wait
--   rig.urls(nodes) -> list, rig.key_of(nodes, i, name) -> a key that node i owns
--   rig.peer(n, url) -> what n says of the peer with that URL in /stats
--   rig.peer_errors(nodes) -> times that a node could not use another
--   rig.list_text(urls, members) -> a Lua file that returns those of the URLs, by their numbers
--   rig.check_shut_out(nodes, i, j, group)  clients ask node i for keys of node j, and change them,
--                                           in every way: it loads them, the changes fail, and
--                                           node j takes no notice
--   rig.owner(peers, key, dialect, hash) -> url      who owns the key in that ring, of a dialect
--                                                    [golang] and a hash [its own] by name
--   rig.owned_by(peers, url, name, dialect) -> key   a key of that owner: name-1.of.the.ring, ...

local eventually = require "support.eventually"
local ffi = require "ffi"
local lfs = require "lfs"
local node = require "support.node"
local tmp = require "support.tmp"
local C = require("support.unit").load("peer/ring.h", "wire/dialect.h")

local rig = {}
rig.__index = rig

-- Appending a short line to a file opened for it is one write(), so VMs do not mix theirs.
local INSIDE = [[
local groupcache = require "groupcache"
local rig = { dir = "$DIR" }
function rig.record(key)
  local f = assert(io.open("$DIR/calls", "a"))
  f:write((key:gsub(".", function(c) return ("%02x"):format(c:byte()) end)), "\n")
  f:close()
end
function rig.gate(name)
  while true do
    local f = io.open("$DIR/open-" .. name)
    if f then return f:close() end
    groupcache.sleep(0.005)
  end
end
function rig.is_open(name)
  local f = io.open("$DIR/open-" .. name)
  return f and f:close()
end
return rig
]]

function rig.new()
  local r = setmetatable({ dir = tmp.dir() }, rig)
  tmp.write(r.dir .. "/rig.lua", (INSIDE:gsub("%$DIR", r.dir)))
  return r
end

function rig:script(source)
  return ("local rig = dofile(%q); "):format(self.dir .. "/rig.lua") .. source
end

function rig:file(name, bytes)
  tmp.write(self.dir .. "/" .. name, bytes)
  return self.dir .. "/" .. name
end

function rig:open(name)
  self:file("open-" .. name, "")
end

function rig:calls()
  local found = {}
  if lfs.attributes(self.dir .. "/calls", "mode") then
    for line in tmp.read(self.dir .. "/calls"):gmatch "(%x*)\n" do
      local key = line:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)
      found[key] = (found[key] or 0) + 1
    end
  end
  return found
end

function rig:total()
  local n = 0
  for _, times in pairs(self:calls()) do
    n = n + times
  end
  return n
end

function rig.wait(n, fn, timeout, what)
  return eventually(function()
    n:request { target = "/healthz" }
    return fn()
  end, timeout, what)
end

function rig.start(source, opts)
  local r, o = rig.new(), { args = { "--workers", "1" } }
  for name, value in pairs(opts or {}) do
    o[name] = value
  end
  o.script = r:script(source)
  return r, node.start(o)
end

function rig.stop(n)
  if n then
    local alive = n.process:alive()
    local code, how, number = n:stop()
    if not alive or code ~= 0 then
      error(("the node ended%s with %s %s:\n%s"):format(alive and "" or " by itself", code or how,
        number or "", n:log()), 2)
    end
  end
end

function rig.stop_all(nodes)
  local fine, why = true, nil
  for _, n in pairs(nodes or {}) do
    if not n.process.waited then
      n:signal "SIGCONT"
      local ended, message = pcall(rig.stop, n)
      if not ended then
        fine, why = false, message
      end
    end
  end
  if not fine then
    error(why, 2)
  end
end

local function reloads(n)
  return select(2, n:log():gsub('msg="reloaded"', ""))
end

function rig.reload(nodes, wait)
  for _, n in ipairs(nodes) do
    local before = reloads(n)
    local function done()
      return reloads(n) > before
    end
    n:signal "SIGHUP"
    if wait then
      wait(n, done, 10, "the reload")
    else
      eventually(done, 10, "the reload")
    end
  end
end

function rig.urls(nodes)
  local list = {}
  for i, n in ipairs(nodes) do
    list[i] = n.url
  end
  return list
end

function rig.key_of(nodes, i, name)
  return rig.owned_by(rig.urls(nodes), nodes[i].url, name)
end

function rig.peer(n, url)
  for _, peer in ipairs(n:stats().peers) do
    if peer.url == url then
      return peer
    end
  end
end

function rig.list_text(urls, members)
  local list = {}
  for k, m in ipairs(members) do
    list[k] = ("%q"):format(urls[m])
  end
  return "return { " .. table.concat(list, ", ") .. " }"
end

function rig.peer_errors(nodes)
  local sum = 0
  for _, n in ipairs(nodes) do
    for _, peer in ipairs(n:stats().peers) do
      sum = sum + peer.errors
    end
  end
  return sum
end

function rig.check_shut_out(nodes, i, j, group)
  local path, key = "/cache/" .. group, rig.key_of(nodes, j, "shut-out")
  local function status(method, target, body)
    return nodes[i]:curl({ target, method = method, body = body,
      ca = nodes[i].tls and nodes[i].tls.ca or false }).status
  end
  local before = nodes[j]:stats().groups[group]
  assert(status("GET", path .. "/" .. key) == 200, "a get")
  assert(status("POST", path, ('["%s", "b"]'):format(key)) == 200, "a batch")
  assert(status("PUT", path .. "/" .. key, "set") == 502, "a set")
  assert(status("DELETE", path .. "/" .. key) == 502, "a removal")
  assert(status("DELETE", path) == 502, "a flush")
  local after = nodes[j]:stats().groups[group]
  for _, name in ipairs { "gets", "loads", "sets", "removes", "flushes" } do
    assert(before[name] == after[name], name)
  end
end

function rig.owner(peers, key, dialect, hash)
  local d = C.dialect_from_name(dialect or "golang")
  assert(d >= 0, dialect)
  local facts, names = C.dialect_facts(d), ffi.new("const char *[?]", #peers + 1)
  for i, url in ipairs(peers) do
    names[i - 1] = C.dialect_ring_name(d, url)
  end
  local points = facts.md5_points ~= 0 and C.RING_MD5 or C.RING_PLAIN
  local kind = hash and C.hash_kind_from_name(hash) or facts.hash
  local ring = C.ring_new(kind, points, names, #peers, 50, nil)
  local i = tonumber(C.ring_owner(ring, key, #key))
  C.ring_free(ring)
  return peers[i + 1]
end

-- What differs is not at the end: FNV-1 puts keys with the same beginning side by side.
function rig.owned_by(peers, url, name, dialect)
  for i = 1, 10000 do
    local key = ("%s-%d.of.the.ring"):format(name, i)
    if rig.owner(peers, key, dialect) == url then
      return key
    end
  end
  error("no key of " .. url, 2)
end

return rig
