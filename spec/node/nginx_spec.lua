-- SPDX-License-Identifier: MIT

-- Three nodes as one ring before a real nginx, and every file of a tree asked for through them.

local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local nginx = require "support.nginx"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"
local tree = require "support.tree"

local FILES = 2000
local IN_FLIGHT = 50

local SCRIPT = [[
local groupcache = require "groupcache"
local http = require "groupcache.http"

local ORIGIN = os.getenv "ORIGIN"

local function url_of(path)
  return ORIGIN .. "/" .. path:gsub("[^/]+", http.escape)
end

local function getter(path)
  local res, err = http.get(url_of(path))
  if not res then return nil, err end
  if res.status == 404 then return nil end
  if res.status ~= 200 then return nil, "the origin says " .. res.status end
  return res.body
end

groupcache.group("files", { cache_bytes = "256MB", getter = getter })

-- 5 MB is over an eighth of this.
groupcache.group("small", { cache_bytes = "32MB", getter = getter })

-- The files again, but the owner of a key gets no further than the gate.
groupcache.group("held", {
  getter = function(path)
    rig.record(path)
    if os.getenv "HELD" then rig.gate "never" end
    return getter(path)
  end,
})
]]

describe("three nodes before nginx", function()
  local r, dir, files, origin, nodes, urls

  setup(function()
    local seed = tonumber(os.getenv "SEED") or os.time() % 1000000
    print(("nginx_spec: SEED=%d"):format(seed))
    math.randomseed(seed)
    r, dir = rig.new(), tmp.dir()
    files = tree.make(dir, FILES)
    -- A busy machine must not turn a connect into a local load.
    origin = nginx.start { root = dir }
    nodes = node.cluster(3, { script = r:script(SCRIPT), env = { ORIGIN = origin.url },
      args = { "--connect-timeout", "5" } })
    urls = {}
    for i, n in ipairs(nodes) do
      urls[i] = n.url
    end
  end)

  teardown(function()
    rig.stop_all(nodes)
    if origin then
      origin:stop()
    end
  end)

  local function shuffled(list)
    local out = { unpack(list) }
    for i = #out, 2, -1 do
      local j = math.random(i)
      out[i], out[j] = out[j], out[i]
    end
    return out
  end

  local function request(n, group, path)
    local target = ("/cache/%s/%s"):format(group, http.escape(path))
    return { port = n.port, target = target, timeout = 30 }
  end

  -- Asks for every file once, in random order, each through one of `through`, and wants it
  -- byte for byte.
  local function ask_for_all(through, on_count)
    local order, requests = shuffled(files), {}
    for i, file in ipairs(order) do
      requests[i] = request(through[math.random(#through)], "files", file.path)
    end
    local done, wrong = 0, {}
    http.parallel(requests, IN_FLIGHT, function(res, err, req, i)
      local file = order[i]
      if not res then
        wrong[#wrong + 1] = ("%s: %s"):format(req.target, err)
      elseif res.status ~= 200 then
        wrong[#wrong + 1] = ("%s: %d %s"):format(req.target, res.status, res.body:sub(1, 200))
      elseif res.body ~= tree.content(file.path, file.size) then
        wrong[#wrong + 1] = ("%s: %d bytes, not its %d"):format(req.target, #res.body, file.size)
      end
      done = done + 1
      if on_count then
        on_count(done)
      end
    end)
    assert.equal(FILES, done)
    assert.same({}, wrong)
  end

  local function unescape(uri)
    return (uri:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end))
  end

  -- path -> how often nginx was asked for it, once the log has `count` lines.
  local function asked(count)
    local times = {}
    for _, line in ipairs(origin:requests(count)) do
      local path = unescape(line.uri):sub(2)
      times[path] = (times[path] or 0) + 1
    end
    return times
  end

  -- How many loads a second node may have made, since a node was silent for longer than the
  -- patience of the others: none, but on a machine that is too busy.
  local function doubled()
    local loads = 0
    for _, n in ipairs(nodes) do
      for _, peer in ipairs(n:stats().peers) do
        loads = loads + peer.errors + peer.hedges
        loads = peer.ejections > 0 and FILES or loads
      end
    end
    return loads
  end

  it("give every file byte for byte, and ask nginx for each of them once", function()
    ask_for_all(nodes)
    local times, more = asked(FILES), 0
    for _, file in ipairs(files) do
      more = more + assert(times[file.path], file.path) - 1
    end
    assert(more <= doubled(), more .. " were asked for again")
  end)

  it("ask nginx nothing in a second pass: all of it fits the cache", function()
    local before = #origin:requests() - doubled()
    ask_for_all(nodes)
    local more = #origin:requests() - before
    assert(more <= doubled(), more .. " were asked for again")
    for _, n in ipairs(nodes) do
      local s = n:stats().groups.files
      assert.equal(0, s.main.evictions)
      assert.equal(0, s.local_load_errs)
    end
  end)

  it("serve a file over an eighth of cache_bytes without storing it", function()
    local large, little
    for _, file in ipairs(files) do
      if file.size == 5 * 1024 * 1024 then
        large = file
      elseif file.size > 0 and file.size < 1000 then
        little = file
      end
    end
    local before = #origin:requests()
    for _, file in ipairs { large, little } do
      local owner = nodes[1]
      for i, url in ipairs(urls) do
        owner = url == rig.owner(urls, file.path) and nodes[i] or owner
      end
      local sources = {}
      for i = 1, 3 do
        local res = assert(http.request(request(owner, "small", file.path)))
        assert.equal(200, res.status)
        assert.is_true(res.body == tree.content(file.path, file.size))
        sources[i] = res.headers["x-cache"]
      end
      file.sources = sources
    end
    assert.same({ "local", "local", "local" }, large.sources)
    assert.same({ "local", "main", "main" }, little.sources)
    eventually(function() return #origin:requests() >= before + 4 end, 30, "four more requests")
  end)

  describe("when one is killed", function()
    local victim, survivors

    setup(function()
      victim, survivors = nodes[3], { nodes[1], nodes[2] }
    end)

    it("go on in the middle of a pass, without one failed request", function()
      ask_for_all(survivors, function(done)
        if done == 700 then
          victim:kill9()
        end
      end)
      local errors = 0
      for _, n in ipairs(survivors) do
        errors = errors + n:stats().groups.files.peer_errors
      end
      assert.is_true(errors > 0, "nobody noticed")
    end)
  end)

  describe("when the one that loads is killed", function()
    local three

    setup(function()
      three = node.cluster(3, { script = r:script(SCRIPT), env = { ORIGIN = origin.url },
        args = { "--connect-timeout", "5" },
        each = function(i, opts)
          if i == 3 then
            opts.env = { ORIGIN = origin.url, HELD = "1" }
          end
        end })
    end)

    teardown(function()
      for i = 1, three and 2 or 0 do
        rig.stop(three[i])
      end
    end)

    it("answer its waiters from a local load", function()
      local ring, mine = { three[1].url, three[2].url, three[3].url }, {}
      for _, file in ipairs(files) do
        if #mine < 20 and rig.owner(ring, file.path) == three[3].url then
          mine[#mine + 1] = file
        end
      end
      local fns, wrong = {}, {}
      for i, file in ipairs(mine) do
        fns[i] = function()
          local res, err = http.request(request(three[i % 2 + 1], "held", file.path))
          if not res or res.status ~= 200 or res.body ~= tree.content(file.path, file.size) then
            wrong[#wrong + 1] = file.path .. ": " .. tostring(res and res.status or err)
          end
        end
      end
      fns[#fns + 1] = function()
        rig.wait(three[3], function() -- begun, not only waiting for their turn in the VM
          local begun = r:calls()
          for _, file in ipairs(mine) do
            if not begun[file.path] then
              return false
            end
          end
          return true
        end, 60, "the loads at the owner")
        three[3]:kill9()
      end
      http.together(fns)
      assert.same({}, wrong)
      local hedged = 0
      for i = 1, 2 do
        for _, peer in ipairs(three[i]:stats().peers) do
          hedged = hedged + peer.hedges
        end
      end
      for _, file in ipairs(mine) do
        local calls = r:calls()[file.path]
        -- A third only if the next owner was asked before the owner was killed.
        assert(calls == 2 or calls == 3 and hedged > 0, cjson.encode(file.path) .. ": " .. calls)
      end
    end)
  end)
end)
