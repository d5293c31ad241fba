-- SPDX-License-Identifier: MIT

-- What holds for lists of every source: functions, groups' own lists, reloads, programs, check.

local eventually = require "support.eventually"
local listed = require "discover.listed"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local program = require "api.program"
local rig = require "node.rig"
local tmp = require "support.tmp"

local A, B, C = "http://10.9.0.1:80", "http://10.9.0.2:80", "http://10.9.0.3:80"

describe("a source of peers", function()
  local n, dir

  before_each(function() dir = tmp.dir() end)

  after_each(function()
    local ended = n
    n = nil
    rig.stop(ended)
  end)

  -- A script whose last lines are `text`; $DIR in it is the spec's folder.
  local function script(text)
    return listed.script .. text:gsub("%$DIR", dir)
  end

  local function start(text, opts)
    local o = { script = script(text), args = { "--workers", "1" } }
    for name, value in pairs(opts or {}) do
      o[name] = value
    end
    n = node.start(o)
  end

  local function reload(text)
    local before = listed.count(n, 'msg="reloaded"') + listed.count(n, 'msg="not reloaded')
    tmp.write(n.script, script(text))
    n:signal "SIGHUP"
    eventually(function()
      return listed.count(n, 'msg="reloaded"') + listed.count(n, 'msg="not reloaded') > before
    end, listed.patience, "the reload")
  end

  local function with_self(...)
    return { n.url, ... }
  end

  it("may be a function, which is called again after the seconds that it returns", function()
    start [[
      local calls = 0
      return { peers = function(ctx)
        calls = calls + 1
        assert(ctx.self:find "^http://127.0.0.1:")
        return { ctx.self, "http://10.9.0.1:80", "http://10.9.0." .. calls .. ":80" }, nil, 0.1
      end }
    ]]
    eventually(function() return listed.source(n).looks > 2 end, listed.patience)
    assert.matches("^the function at .*node.lua:%d+$", listed.source(n).source)
    assert.equal(3, listed.source(n).peers)
  end)

  it("may wait in its function, ask over HTTP, and fail", function()
    start(([[
      local groupcache, http = require "groupcache", require "groupcache.http"
      local calls = 0
      return { peers = function(ctx)
        calls = calls + 1
        groupcache.sleep(0.01)
        if calls == 2 then error "no luck" end
        if calls == 3 then return nil, "still none" end
        if calls == 4 then return "text" end
        local ok, err = http.get("http://127.0.0.1:%d/")
        return { "http://10.9.0.1:80", ctx.self }, nil, 0.1
      end }
    ]]):format(ports.free()))
    listed.wait(n, with_self(A))
    eventually(function() return listed.source(n).errors == 3 end, listed.patience)
    listed.looks(n, 1)
    assert.equal(3, listed.source(n).errors)
    assert.matches("the source returned a string, and must return a list", n:log(), 1, true)
    assert.matches("no luck", n:log(), 1, true)
    assert.equal(1, listed.count(n, "still none"))
    assert.equal(1, listed.count(n, 'msg="a source of peers can be read again"'))
    listed.wait(n, with_self(A))
  end)

  it("is no empty list when its function returns a table with names", function()
    start [[ return { peers = function() return { url = "http://10.9.0.1:80" } end,
      peers_wait = 0.1 } ]]
    eventually(function() return listed.source(n).errors > 0 end, listed.patience)
    assert.matches("a table with names", listed.source(n).last_error, 1, true)
  end)

  it("may be a table of functions: this node is told first, and says goodbye", function()
    start [[
      local function say(text)
        local f = assert(io.open("$DIR/said", "a"))
        f:write(text, "\n")
        f:close()
      end
      return { peers = { name = "mine",
        tend = function(self, ctx) say("tend") return 60 end,
        look = function(self, ctx) say("look " .. ctx.wait) return { ctx.self }, nil, 60 end,
        leave = function(self, ctx) say("leave " .. ctx.self) end } }
    ]]
    listed.wait(n, { n.url })
    assert.equal(0, n:stop())
    assert.equal(("tend\nlook 60\nleave %s\n"):format(n.url), tmp.read(dir .. "/said"))
    n = nil
  end)

  it("that takes long to say goodbye is not waited for", function()
    start [[
      local groupcache = require "groupcache"
      return { peers = { look = function(_, ctx) return { ctx.self } end,
        leave = function() groupcache.sleep(60) end } }
    ]]
    n:signal "SIGTERM"
    assert.equal(0, n.process:wait(10))
    assert.matches("a farewell to the sources of peers did not end in time", n:log(), 1, true)
    n = nil
  end)

  it("may say who has left by itself: then a short list is taken at once", function()
    start [[
      local calls, all = 0, { "http://10.9.0.1:80", "http://10.9.0.2:80", "http://10.9.0.3:80" }
      return { peers = function(ctx)
        calls = calls + 1
        if calls < 3 then return { ctx.self, unpack(all) }, nil, 0.1 end
        return { ctx.self }, nil, 60, all
      end }
    ]]
    listed.wait(n, with_self())
    assert.equal(0, listed.count(n, 'msg="a source has lost most peers'))
    assert.equal(3, listed.source(n).looks)
  end)

  it("that has an empty list at first is believed at the third look", function()
    start [[ return { peers = function() return {}, nil, 1 end } ]]
    listed.wait(n, with_self())
    assert.is_true(listed.source(n).looks >= 3)
  end)

  it("gives groups their own peers, and the node another list", function()
    tmp.write(dir .. "/own", A .. "\n")
    tmp.write(dir .. "/node", B .. "\n")
    start [[
      local discover = require "groupcache.discover"
      groupcache.group("own", { getter = function(key) return key end,
        peers = discover.file "$DIR/own" })
      groupcache.group("text", { getter = function(key) return key end, peers = "file:$DIR/own" })
      return { peers = discover.file { path = "$DIR/node", interval = 0.1 } }
    ]]
    listed.wait(n, with_self(B))
    listed.wait(n, with_self(A), nil, "own")
    listed.wait(n, with_self(A), nil, "text")
    tmp.write(dir .. "/own", A .. "\n" .. C .. "\n")
    listed.wait(n, with_self(A, C), nil, "own")
    listed.wait(n, with_self(A, C), nil, "text")
    assert.equal(3, #n:stats().sources)
    reload [[
      local discover = require "groupcache.discover"
      groupcache.group("own", { getter = function(key) return key end, peers = { }, ttl = 1 })
      groupcache.group("text", { getter = function(key) return key end, peers = "file:$DIR/own" })
    ]]
    assert.equal("", listed.peers(n))
    assert.equal("", listed.peers(n, "own"))
    listed.wait(n, with_self(A, C), 0.1, "text")
  end)

  it("goes on over a reload that keeps it, and its list with it, though it fails", function()
    tmp.write(dir .. "/peers", A .. "\n" .. B .. "\n")
    start [[ return { peers = "file:$DIR/peers" } ]]
    listed.wait(n, with_self(A, B))
    assert(os.remove(dir .. "/peers"))
    reload [[ return { peers = "file:$DIR/peers", log_level = "debug" } ]]
    eventually(function() return listed.source(n).errors > 0 end, listed.patience)
    listed.wait(n, with_self(A, B), 0.1)
    tmp.write(dir .. "/peers", "")
    eventually(function() return listed.source(n).held > 0 end, listed.patience)
    tmp.write(dir .. "/peers", A .. "\n" .. C .. "\n")
    listed.wait(n, with_self(A, C))
  end)

  it("gives way to another source, and to a typed list, at a reload", function()
    tmp.write(dir .. "/one", A .. "\n" .. B .. "\n")
    tmp.write(dir .. "/two", C .. "\n")
    local say = [[
      local function say(text)
        local f = assert(io.open("$DIR/said", "a"))
        f:write(text, "\n")
        f:close()
      end
    ]]
    start(say .. [[
      local discover = require "groupcache.discover"
      local source = discover.file "$DIR/one"
      source.leave = function() say "left" end
      return { peers = source }
    ]])
    listed.wait(n, with_self(A, B))
    reload [[ return { peers = "file:$DIR/two" } ]]
    assert.equal("left\n", tmp.read(dir .. "/said"))
    listed.wait(n, with_self(C))
    reload(("return { self = %q, peers = { %q, %q } }"):format(n.url, n.url, B))
    listed.wait(n, with_self(B), 0.1)
    assert.same({}, n:stats().sources)
    tmp.write(dir .. "/two", A .. "\n")
    reload [[ return { peers = "file:$DIR/none" } ]]
    eventually(function() return listed.source(n).errors > 0 end, listed.patience)
    listed.wait(n, with_self(B), 0.1)
  end)

  it("that is wrong is refused at the start, by check, and at a reload", function()
    local function refused(text, pattern, args)
      local path = tmp.file(script(text), "node.lua")
      local r = process.run { node.binary, "check", path, unpack(args or {}) }
      assert.equal(1, r.code, r.stdout)
      assert.matches(pattern, r.stderr, 1, true)
      assert.is_nil(r.stderr:find("sesame", 1, true))
    end
    refused('return { peers = "zookeeper://h/x" }', "is no source of peers: it may be etcd://")
    refused('return { peers = "dns://gc.test" }', "it must be dns://NAME:PORT")
    refused('return { peers = require("groupcache.discover").file { pth = "x" } }',
      'discover.file: path is missing; unknown option "pth"')
    refused('return { peers = require("groupcache.discover").static { 1 } }',
      "discover.static: item 1 is a number, and must be a URL")
    refused('groupcache.group("x", { getter = print, peers = "file:" })',
      'group "x": discover.file: path is')
    refused("", "it must be etcd://", { "--peers", "etcd://root:sesame@h" })
    refused('return { peers = 5 }', "peers is 5, and must be a list of strings, or a source")
    start [[ return { peers = "file:$DIR/none", peers_wait = 0.1 } ]]
    reload [[ return { peers = "file:$DIR/x?color=red" } ]]
    assert.matches("unknown option", n:log(), 1, true)
    assert.equal(1, #n:stats().sources)
  end)

  it("is checked without being asked", function()
    local r = process.run { node.binary, "check", tmp.file(script "", "node.lua"), "--peers",
      "file:/nowhere/at/all" }
    assert.equal(0, r.code, r.stderr)
    assert.matches("fine, 1 group", r.stdout, 1, true)
  end)

  it("is found in the environment, and a flag goes before it", function()
    tmp.write(dir .. "/one", A .. "\n")
    tmp.write(dir .. "/two", B .. "\n")
    local env = { GROUPCACHE_PEERS = "file:" .. dir .. "/one" }
    start("return { peers = { 'http://nobody:1' } }", { env = env })
    listed.wait(n, with_self(A))
    rig.stop(n)
    start("return { peers = 'file:/x' }", { env = env,
      args = { "--peers", "file:" .. dir .. "/two" } })
    listed.wait(n, with_self(B))
    rig.stop(n)
    start("return { peers = 'file:/x' }", { env = env, args = { "--peers", n.url, "--self", n.url },
      port = n.port })
    listed.wait(n, with_self())
  end)

  it("works for a node in a program, whose own lists it would replace", function()
    tmp.write(dir .. "/peers", A .. "\n")
    local out = program.run(([[
      local n = assert(groupcache.start { script = %q, listen = "127.0.0.1:0",
        peers = "file:%s/peers", log_level = "off" })
      until_true(function() return #n:stats().peers == 2 end)
      say(n.url == "http://" .. n.address)
      say(n:set_peers {})
      n:close()
      say(groupcache.start { script = %q, peers = function() end })
    ]]):format(tmp.file(script "", "node.lua"), dir, tmp.file(script "", "node.lua")))
    assert.equal(("true\nnil|the peers come from file:%s/peers, which would replace them|INVAL\n"
      .. "nil|peers are a function or a source, which only a node script can have: a program can "
      .. 'have a text such as "file:/etc/peers"|INVAL\n'):format(dir), out)
  end)
end)

describe("self = auto", function()
  it("is the listed peer with an address of this host and the node's port", function()
    local port = ports.free()
    local n = listed.start("http://10.9.0.1:80,http://127.0.0.1:" .. port, { port = port,
      self = "auto" })
    assert.equal("http://127.0.0.1:" .. port, n:stats().self)
    rig.stop(n)
  end)

  it("is refused if no peer is this host", function()
    local r = process.run { node.binary, tmp.file(listed.script, "n.lua"), "--self", "auto",
      "--peers", A }
    assert.equal(1, r.code)
    assert.matches('self is "auto", and none of the 1 peers has an address of this host', r.stderr,
      1, true)
  end)

  it("is POD_IP if the node listens everywhere", function()
    local path = tmp.file(A .. "\n", "peers")
    local n = listed.start("file:" .. path, { host = "0.0.0.0", env = { POD_IP = "10.9.8.7" } })
    assert.equal("http://10.9.8.7:" .. n.port, n:stats().self)
    rig.stop(n)
  end)
end)
