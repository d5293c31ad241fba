-- SPDX-License-Identifier: MIT

-- What a node knows again after a restart, and what it must not know.

local cjson = require "cjson"
local eventually = require "support.eventually"
local ffi = require "ffi"
local http = require "support.http"
local lfs = require "lfs"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"
local unit = require "support.unit"
local C = unit.load("store/snapshot.h", "base/hash.h")

-- A value is its key and the version of the source.
local SCRIPT = [[
local groupcache = require "groupcache"
local function version()
  local f = io.open(rig.dir .. "/version")
  local text = f and f:read "*a" or "1"
  if f then f:close() end
  return text
end
for _, name in ipairs { "g", "other" } do
  groupcache.group(name, { writable = true, negative_ttl = 600, stale_while_revalidate = 600,
    max_value_bytes = 2^20, getter = function(key)
      rig.record(key)
      if key:find "none" then return nil end
      if key:find "short" then return key .. version(), nil, 0.2 end
      if key:find "long" then return key .. version(), nil, 600 end
      if key:find "large" then return key .. version() .. ("x"):rep(100000) end
      return key .. version()
    end })
end
]]

describe("a snapshot", function()
  local r, nodes, path

  before_each(function()
    r, nodes, path = rig.new(), {}, tmp.dir() .. "/snapshot"
    r:file("version", "1")
  end)

  after_each(function()
    rig.stop_all(nodes)
  end)

  local function script()
    return r:script(SCRIPT)
  end

  -- A node with a snapshot. `opts` are node.start()'s; `every` is in seconds.
  local function start(opts, every, source)
    local o = { script = source or script() }
    for name, value in pairs(opts or {}) do
      o[name] = value
    end
    o.args = { "--snapshot-path", path, "--snapshot-every", every or 0, "--workers", 1,
      unpack(o.args or {}) }
    local n = node.start(o)
    nodes[#nodes + 1] = n
    return n
  end

  local function again(n, every, args, source)
    return start({ port = n.port, self = n.self, peers = n.peers, args = args }, every, source)
  end

  local function value(n, key, group)
    local res = assert(n:get(group or "g", key))
    return res.status == 200 and res.body or res.status
  end

  local function read_of(n, group)
    local line = n:log():match('msg="read" group=' .. (group or "g") .. " ([^\n]*)")
    return line and { items = tonumber(line:match "items=(%d+)"),
      changed = tonumber(line:match "changed=(%d+)"), others = tonumber(line:match "others=(%d+)") }
  end

  local function why(n, group)
    return n:log():match('msg="a group is not read" group=' .. (group or "g") .. ' why="([^"]*)"')
  end

  local function written(n, times)
    eventually(function()
      return select(2, n:log():gsub('msg="written"', "")) >= (times or 1)
    end, 20, "the snapshot is written")
  end

  -- Waits for a snapshot that was begun after this moment.
  local function written_anew(n)
    local _, before = n:log():gsub('msg="written"', "")
    written(n, before + 2)
  end

  describe("of a node that ended", function()
    it("has all values at the next start, and no getter runs", function()
      local n = start()
      for i = 1, 200 do
        value(n, "k" .. i)
        value(n, "k" .. i, "other")
      end
      assert.equal(404, value(n, "none"))
      local long = assert(n:get("g", "long")).headers
      assert.equal(0, n:stop())
      r:file("version", "2")
      local before = r:total()
      n = again(n)
      for i = 1, 200 do
        assert.equal("k" .. i .. "1", value(n, "k" .. i))
        assert.equal("k" .. i .. "1", value(n, "k" .. i, "other"))
      end
      assert.equal(404, value(n, "none"))
      assert.equal("long1", value(n, "long"))
      assert.equal(before, r:total())
      local left = assert(n:get("g", "long")).headers["cache-control"]:match "%d+"
      local first = long["cache-control"]:match "%d+"
      assert.is_true(tonumber(left) <= tonumber(first) and tonumber(left) > first - 60)
      assert.same({ items = 202, changed = 0, others = 0 }, read_of(n))
    end)

    it("has stale values as stale ones", function()
      local n = start()
      assert.equal("short1", value(n, "short"))
      local stale_at = socket.gettime() + 0.25
      eventually(function() return socket.gettime() > stale_at end, 5, "it is stale")
      n:stop()
      r:file("version", "2")
      local res = assert(again(n):get("g", "short"))
      assert.same({ "short1", "stale" }, { res.body, res.headers["x-cache"] })
    end)

    it("keeps within cache_bytes", function()
      local n = start()
      for i = 1, 100 do
        value(n, "large" .. i)
      end
      n:stop()
      n = again(n, 0, nil, (script():gsub("writable =", "cache_bytes = 2000000, %0")))
      local got = read_of(n)
      assert.is_true(got.items >= 15 and got.items <= 20, got.items)
      assert.equal(100, got.items + got.others)
      assert.is_true(n:stats().groups.g.main.bytes <= 2000000)
    end)

    it("is not read if it is too old, of another dialect or of another content type", function()
      local n = start()
      value(n, "k")
      n:stop()
      n = again(n, 0, { "--snapshot-max-age", "0" })
      assert.matches("it is %d+ ms old, snapshot_max_age is 0 ms", n:log())
      value(n, "k")
      n:stop()
      n = again(n, 0, { "--dialect", "mailgun" })
      assert.matches("it is of another dialect", n:log())
      value(n, "k")
      value(n, "k", "other")
      n:stop()
      n = again(n, 0, { "--dialect", "mailgun" }, (script():gsub("writable =",
        'content_type = name == "g" and "text/x" or nil, %0')))
      assert.equal("its values have another content type now", why(n))
      assert.equal(1, read_of(n, "other").items)
    end)
  end)

  describe("of a node that was killed", function()
    it("has the values of the last time", function()
      local n = start(nil, 0.05)
      for i = 1, 50 do
        value(n, "k" .. i)
      end
      written_anew(n)
      n:kill9()
      local before = r:total()
      n = again(n)
      for i = 1, 50 do
        assert.equal("k" .. i .. "1", value(n, "k" .. i))
      end
      assert.equal(before, r:total())
    end)

    it("lacks what was set, removed or flushed since", function()
      local n = start(nil, 0.05)
      for _, key in ipairs { "kept", "removed", "set" } do
        value(n, key)
        value(n, key, "other")
      end
      written_anew(n)
      n:stop() -- the last one
      n = again(n)
      assert.equal(3, read_of(n).items)
      r:file("version", "2")
      assert.equal(204, n:request({ method = "DELETE", target = "/cache/g/removed" }).status)
      assert.equal(204, n:request({ method = "PUT", target = "/cache/g/set", body = "new" }).status)
      assert.equal(204, n:request({ method = "DELETE", target = "/cache/other" }).status)
      n:kill9()
      n = again(n)
      assert.same({ items = 1, changed = 2, others = 0 }, read_of(n))
      assert.equal("it was flushed since", why(n, "other"))
      assert.same({ "kept1", "removed2", "set2" },
        { value(n, "kept"), value(n, "removed"), value(n, "set") })
    end)

    it("is not read if the log of changes is missing", function()
      local n = start()
      value(n, "k")
      n:stop()
      n = again(n)
      n:kill9()
      os.remove(path .. ".changes")
      n = again(n)
      assert.matches("what it changed since is not known", n:log())
    end)

    it("while it wrote is whole all the same, again and again", function()
      local n = start(nil, 0.001)
      for i = 1, 100 do
        value(n, "large" .. i)
      end
      written_anew(n)
      for round = 1, 15 do
        eventually(function() return lfs.attributes(path .. ".new", "mode") end, 10, "it writes")
        n:kill9()
        n = again(n, 0.001)
        assert.is_nil(n:logged "not all of it was read")
        assert.equal(100, read_of(n).items, "round " .. round)
      end
      assert.equal(100, r:total())
    end)
  end)

  describe("whose file is wrong", function()
    local n, bytes

    before_each(function()
      n = start()
      for i = 1, 20 do
        value(n, "k" .. i)
      end
      n:stop()
      bytes = tmp.read(path)
    end)

    -- A start with another file -> the node. Its values are right in any case.
    local function with(text)
      tmp.write(path, text)
      n = again(n)
      for i = 1, 20 do
        assert.equal("k" .. i .. "1", value(n, "k" .. i))
      end
      n:stop()
      return n
    end

    -- The head, with a right sum.
    local function head(change)
      local h = ffi.new "struct snapshot_head"
      ffi.copy(h, bytes, ffi.sizeof(h))
      change(h)
      h.sum = C.hash_murmur64(h, ffi.offsetof(h, "sum"))
      return ffi.string(h, ffi.sizeof(h)) .. bytes:sub(ffi.sizeof(h) + 1)
    end

    it("loses what is cut or damaged, and says so", function()
      local size = #bytes
      for _, n_bytes in ipairs { 0, 10, 90, 130, 200, math.floor(size / 2), size - 1 } do
        assert.matches(n_bytes < 100 and "it is too short" or "the file is cut or damaged",
          with(bytes:sub(1, n_bytes)):log())
      end
      for _, at in ipairs { 120, 300, math.floor(size / 2), size - 4 } do
        assert.matches("the file is cut or damaged",
          with(bytes:sub(1, at - 1) .. "\255" .. bytes:sub(at + 1)):log())
      end
    end)

    it("is left alone if it is foreign, or of another version or byte order", function()
      assert.matches("it is no snapshot", with(("a text "):rep(100)):log())
      assert.matches("another version", with(head(function(h) h.version = 3 end)):log())
      assert.matches("another byte order", with(head(function(h) h.order = 0x04030201 end)):log())
      assert.matches("its head is damaged", with(bytes:sub(1, 60) .. "x" .. bytes:sub(62)):log())
    end)

    it("is not believed if a clock was set back, and counts the time if it was set on", function()
      local function other_start(ms)
        return head(function(h)
          ffi.fill(h.boot, 4, 65)
          h.wall_ms = h.wall_ms + ffi.cast("int64_t", ms)
        end)
      end
      assert.matches("ms from the future", with(other_start(3600 * 1000)):log())
      assert.matches("snapshot_max_age is 600000 ms", with(other_start(-3600 * 1000)):log())
      assert.equal(20, read_of(with(other_start(-1000))).items) -- the machine was started anew
      local unclean = head(function(h)
        ffi.fill(h.boot, 4, 65)
        h.clean = 0
      end)
      assert.matches("what it changed since is not known", with(unclean):log())
    end)
  end)

  it("that does not fit on the disk leaves the old one, and is logged", function()
    local n = start()
    value(n, "large1")
    n:stop()
    n = again(n, 0.05)
    for i = 1, 30 do
      value(n, "large" .. i)
    end
    written_anew(n)
    local old = tmp.read(path)
    local r1 = process.run { "prlimit", "--pid", n.process.pid, "--fsize=500000" }
    assert.equal(0, r1.code, r1.stderr)
    eventually(function() return n:logged "not written: the file stays as it was" end, 10, "logged")
    assert.equal(#old, #tmp.read(path))
    assert.is_nil(lfs.attributes(path .. ".new", "mode"))
    assert.equal("large11", value(n, "large1"):sub(1, 7))
    n:kill9()
    n = again(n)
    assert.equal(30, read_of(n).items)
  end)

  it("is of one node: a second one does not start with its path", function()
    start()
    local n = node.start { script = script(), ready = false, args = { "--snapshot-path", path } }
    assert.equal(1, n.process:wait(15))
    assert.matches("snapshot_path: .*changes: another node has it", n:log())
    local bad = process.run { node.binary, "check", tmp.file(script(), "node.lua"),
      "--snapshot-path", "/nowhere/snapshot" }
    assert.equal(1, bad.code)
    assert.matches("snapshot_path: /nowhere/snapshot: No such file", bad.stderr)
  end)

  describe("of a node with peers", function()
    local a, b, c, urls

    local function cluster()
      local taken = { ports.free(), ports.free(), ports.free() }
      urls = {}
      for i, port in ipairs(taken) do
        urls[i] = "http://127.0.0.1:" .. port
      end
      a = start { port = taken[1], peers = urls }
      b = node.start { script = script(), port = taken[2], peers = urls }
      c = node.start { script = script(), port = taken[3], peers = urls }
      a.peers = urls
      nodes[#nodes + 1], nodes[#nodes + 2] = b, c
    end

    -- Keys that a owns, with their values at a.
    local function fill(prefix, count)
      local keys = {}
      for i = 1, count do
        keys[i] = rig.owned_by(urls, urls[1], prefix .. i)
        assert.equal(keys[i] .. "1", value(a, keys[i]))
        assert.equal(keys[i] .. "1", value(a, keys[i], "other"))
      end
      return keys
    end

    local function change(n, method, target, body)
      local res = n:request { method = method, target = "/cache/" .. target, body = body,
        timeout = 20 }
      return res.status, cjson.decode(res.body).unconfirmed
    end

    it("lacks what the others set, removed or flushed while it was down", function()
      cluster()
      local keys = fill("k", 6)
      a:stop()
      r:file("version", "2")
      change(b, "DELETE", "g/" .. keys[1])
      change(c, "PUT", "g/" .. keys[2], "new")
      change(c, "DELETE", "other")
      local before = r:total()
      a = again(a)
      assert.same({ items = 4, changed = 2, others = 0 }, read_of(a))
      assert.equal("it was flushed since", why(a, "other"))
      for i = 3, 6 do
        assert.equal(keys[i] .. "1", value(a, keys[i]))
      end
      assert.equal(before, r:total())
      assert.not_equal(keys[1] .. "1", value(a, keys[1]))
      assert.not_equal(keys[2] .. "1", value(a, keys[2]))
    end)

    it("is read with the last list if the list comes from a source", function()
      cluster()
      a:stop()
      local file = tmp.file(table.concat(urls, "\n") .. "\n", "peers")
      local function from_source()
        a = start { port = a.port, self = urls[1], peers = { "file:" .. file } }
      end
      from_source()
      local keys = fill("k", 3)
      a:stop()
      r:file("version", "2")
      change(b, "DELETE", "g/" .. keys[1])
      from_source()
      assert.same({ items = 2, changed = 1, others = 0 }, read_of(a))
      assert.equal(keys[1] .. "2", value(a, keys[1]))
      assert.equal(keys[2] .. "1", value(a, keys[2]))
    end)

    it("also if the node that changed it has ended since", function()
      cluster()
      local keys = fill("k", 3)
      a:stop()
      r:file("version", "2")
      change(b, "DELETE", "g/" .. keys[1])
      b:kill9()
      a = again(a)
      assert.equal(keys[1] .. "2", value(a, keys[1]))
      assert.equal(keys[2] .. "1", value(a, keys[2]))
    end)

    it("is not read if no peer has run all the time, or none is there", function()
      cluster()
      local keys = fill("k", 2)
      a:stop()
      b:stop()
      c:stop()
      r:file("version", "2")
      b = node.start { script = script(), port = b.port, peers = urls }
      nodes[#nodes + 1] = b
      a = again(a)
      assert.equal("no peer knows all that was changed since", why(a))
      assert.equal(keys[1] .. "2", value(a, keys[1]))
    end)

    it("is not read if the peers have forgotten changes", function()
      cluster()
      local keys = fill("k", 2)
      a:stop()
      r:file("version", "2")
      change(b, "DELETE", "g/" .. keys[1])
      local requests = {}
      for i = 1, 17000 do
        requests[i] = { host = b.host, port = b.port, method = "DELETE",
          target = "/cache/g/x" .. i }
      end
      for _, res in ipairs(http.parallel(requests, 64)) do
        assert(res.status)
      end
      a = again(a)
      assert.equal("no peer knows all that was changed since", why(a))
      assert.equal(keys[1] .. "2", value(a, keys[1]))
    end)

    it("has no values that another node owns now, and none without peers", function()
      cluster()
      local keys = fill("k", 30)
      a:stop()
      local without = { urls[1], urls[2], urls[3], "http://127.0.0.1:1" }
      a.peers = without
      a = again(a)
      local mine = 0
      for _, key in ipairs(keys) do
        mine = mine + (rig.owner(without, key) == urls[1] and 1 or 0)
      end
      assert.same({ items = mine, changed = 0, others = 30 - mine }, read_of(a))
      a:stop()
      a.peers, a.self = nil, nil
      a = again(a)
      assert.equal("other nodes had it, and now there are none to ask", why(a))
    end)
  end)
end)
