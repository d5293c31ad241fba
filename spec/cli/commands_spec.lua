-- SPDX-License-Identifier: MIT

-- groupcached's commands that ask a node, and run-getter, which needs none.

local cjson = require "cjson"
local lfs = require "lfs"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { ttl = 60, getter = function(key)
  if key:find "^none" then return nil end
  if key:find "^bad" then return nil, "no luck" end
  return "v:" .. key
end })
groupcache.group("gone", { ttl = 9, getter = function() return { status = 410, body = "o" } end })
groupcache.group("site", groupcache.http.cache("http://127.0.0.1:1", { writable = true }))
groupcache.group("w", { writable = { token = "open-sesame" }, getter = function() return nil end })
groupcache.group("odd \xff/n\195\164me", { getter = function(key) return key end })
]]

local function run(words, more)
  local argv = { node.binary, timeout = 30, input = more and more.input, env = more and more.env }
  for _, word in ipairs(words) do
    argv[#argv + 1] = word
  end
  return process.run(argv)
end

local function decoded(out)
  assert.matches("^[^\n]+\n$", out.stdout)
  return cjson.decode(out.stdout)
end

describe("groupcached", function()
  local n

  local function ask(...)
    return run({ ... }, { env = { GROUPCACHE_NODE = n.url, GROUPCACHE_TOKEN = "open-sesame" } })
  end

  setup(function()
    n = node.start { script = SCRIPT }
  end)

  teardown(function()
    rig.stop(n)
  end)

  describe("get", function()
    it("prints the value and nothing else", function()
      local out = ask("get", "g", "a key/with %2F\n\255")
      assert.same({ 0, "v:a key/with %2F\n\255", "" }, { out.code, out.stdout, out.stderr })
    end)

    it("says where it came from with --verbose, and all of it with --json", function()
      ask("get", "g", "k")
      local out = ask("get", "g", "k", "--verbose")
      assert.equal("v:k", out.stdout)
      assert.matches("^source=main bytes=3 age=%d+ ttl=%d+\n$", out.stderr)
      local said = decoded(ask("get", "--json", "g", "k"))
      assert.same({ "g", "k", "v:k", "main" }, { said.group, said.key, said.value, said.source })
      assert.is_true(said.ttl > 40 and said.ttl <= 60)
    end)

    it("ends with 1 if there is no value, and says why", function()
      for key, text in pairs { none = "group g: not found", bad = "no luck" } do
        local out = ask("get", "g", key)
        local said_so = "groupcached: " .. text .. "\n"
        assert.same({ 1, "", said_so }, { out.code, out.stdout, out.stderr })
        assert.equal(text, decoded(ask("get", "g", key, "--json")).error)
      end
      local out = ask("get", "nothing", "k")
      assert.equal(1, out.code)
      assert.matches("no such group", out.stderr)
    end)

    it("says so if the getter gave a status that is no value", function()
      assert.same({ group = "gone", key = "k", code = "NOTFOUND",
        error = "the answer for this key has the status 410, and is no value" },
        decoded(ask("get", "gone", "k", "--json")))
    end)

    it("ends with 3 if the node is not reached", function()
      local out = run { "get", "g", "k", "--node", "http://127.0.0.1:" .. ports.free() }
      assert.same({ 3, "" }, { out.code, out.stdout })
      assert.matches("^groupcached: 127.0.0.1:%d+: [^\n]+\n$", out.stderr)
    end)

    it("takes words behind -- for a group and a key", function()
      assert.equal("v:--json", ask("get", "--", "g", "--json").stdout)
    end)
  end)

  it("ends with 2 and one line for a command line that is wrong", function()
    for _, case in ipairs {
      { "usage: groupcached get GROUP KEY", "get", "g" },
      { "usage: groupcached get GROUP KEY", "get", "g", "k", "more" },
      { "get: unknown option --nod, the nearest is --node", "get", "--nod", "x", "g", "k" },
      { "get: --timeout needs DURATION", "get", "g", "k", "--timeout" },
      { 'get: --timeout is "soon", and must be a duration such as 1.5 or 250ms, of 1000000000 s at '
        .. "most", "get", "g", "k", "--timeout", "soon" },
      { "get: --json takes no value", "get", "g", "k", "--json=1" },
      { 'top: --count is "0", and must be a whole number above 0', "top", "--count", "0" },
      { 'bench: --clients is "500", and must be a whole number from 1 to 256', "bench", "g",
        "--clients", "500" },
      { 'completion: "csh" is none of bash, zsh, fish, man', "completion", "csh" },
      { "get: unknown option --token", "get", "g", "k", "--token", "x" },
      { 'there is no command "expain", the nearest is explain', "expain", "g", "k", "--json" },
      { 'there is no command "del", it is called rm', "del", "g", "k" },
      { 'there is no command "chek", the nearest is check', "chek", "node.lua" },
    } do
      local out = ask(unpack(case, 2))
      assert.equal(2, out.code)
      assert.equal("groupcached: " .. case[1] .. "; see groupcached --help\n", out.stderr)
    end
  end)

  it("has a text of help for each command, and each in that of all", function()
    local all = run({ "help" }).stdout
    local words = all:gmatch "\n  groupcached ([%l%-]+)"
    local seen = 0
    for name in words do
      seen = seen + 1
      local out = run { "help", name }
      assert.equal(0, out.code)
      assert.matches("^groupcached " .. name:gsub("%-", "%%-"), out.stdout)
    end
    assert.is_true(seen >= 15)
    assert.equal(2, run({ "help", "nothing" }).code)
    assert.matches("--node URL", run({ "get", "--help" }).stdout, 1, true)
  end)

  describe("put, rm and flush", function()
    it("change values on the node, with the token of the group", function()
      assert.same({ 0, "", "" }, (function(o) return { o.code, o.stdout, o.stderr } end)(
        ask("put", "w", "k", "some value")))
      assert.equal("some value", ask("get", "w", "k").stdout)
      assert.equal(0, ask("rm", "w", "k").code)
      assert.equal(1, ask("get", "w", "k").code)
      ask("put", "w", "k", "again", "--ttl", "100")
      local ttl = decoded(ask("get", "w", "k", "--json")).ttl
      assert.is_true(ttl > 90 and ttl <= 100)
      assert.same({ group = "w", done = "flushed" }, decoded(ask("flush", "w", "--json")))
      assert.equal(1, ask("get", "w", "k").code)
    end)

    it("read a value of any bytes from stdin", function()
      local bytes = "\0\1\255\n"
      local out = run({ "put", "w", "bin" }, { input = bytes,
        env = { GROUPCACHE_NODE = n.url, GROUPCACHE_TOKEN = "open-sesame" } })
      assert.equal(0, out.code)
      assert.equal(bytes, ask("get", "w", "bin").stdout)
    end)

    it("remove a URL of an HTTP cache, and a key of any bytes", function()
      assert.same({ group = "site", key = "/a?b", done = "removed" },
        decoded(ask("rm", "site", "/a?b", "--json")))
      ask("put", "w", "\255", "v")
      assert.equal(0, ask("rm", "w", "\255").code)
      assert.equal(1, ask("get", "w", "\255").code)
    end)

    it("end with 1 where they may not, by the node's words", function()
      local out = run({ "put", "w", "k", "v" }, { env = { GROUPCACHE_NODE = n.url } })
      assert.equal(1, out.code)
      assert.matches("^groupcached: group w is writable with", out.stderr)
      assert.equal(1, ask("rm", "g", "k").code)
    end)
  end)

  describe("ttl", function()
    it("prints the seconds that are left, and loads nothing", function()
      local out = ask("ttl", "g", "fresh")
      assert.same({ 1, "groupcached: fresh: the node holds no value of it\n" },
        { out.code, out.stderr })
      ask("get", "g", "fresh")
      out = ask("ttl", "g", "fresh")
      assert.equal(0, out.code)
      assert.is_true(tonumber(out.stdout) > 40)
      assert.equal("main", decoded(ask("ttl", "g", "fresh", "--json")).held)
      ask("get", "odd \255/n\195\164me", "k")
      assert.equal("never\n", ask("ttl", "odd \255/n\195\164me", "k").stdout)
      assert.equal(1, ask("ttl", "nothing", "k").code)
    end)
  end)

  describe("stats", function()
    it("has the figures as lines, or as JSON; of the node or of a group", function()
      ask("get", "g", "k")
      assert.matches("\ngroups.g.gets %d+\n", ask("stats").stdout)
      assert.matches("\ncache_bytes 64000000\n", "\n" .. ask("stats", "g").stdout)
      assert.is_true(decoded(ask("stats", "--json")).groups.g.gets > 0)
      assert.equal(0, ask("stats", "odd \255/n\195\164me").code)
      assert.equal(1, ask("stats", "nothing").code)
    end)

    it("finds the operators' address 1000 ports higher, or by --admin", function()
      local admin = ports.free()
      local other = node.start { script = SCRIPT,
        args = { "--admin-listen", "127.0.0.1:" .. admin } }
      local lost = run { "stats", "--node", other.url }
      local found = run { "stats", "--node", other.url, "--admin", "http://127.0.0.1:" .. admin }
      rig.stop(other)
      assert.equal(3, lost.code)
      assert.matches("--admin says where", lost.stderr, 1, true)
      assert.equal(0, found.code)
    end)
  end)
end)

describe("groupcached run-getter", function()
  local GETTERS = [[
local groupcache = require "groupcache"
local helper = require "beside"
local other = groupcache.group("other", { cache_bytes = 0, getter = function() return "!" end })
groupcache.group("g", { ttl = 60, getter = function(key)
  groupcache.sleep(0.02)
  if key == "bad" then return nil, "no luck" end
  if key == "threw" then error "oh no" end
  if key == "none" then return nil end
  return helper(key) .. other:get(key)
end })
]]

  local function try(...)
    local path = tmp.file(GETTERS, "node.lua")
    tmp.write((path:gsub("[^/]+$", "beside.lua")), "return function(key) return 'v:' .. key end")
    return run({ "run-getter", ... == "--json" and "--json" or "--", path,
      select(... == "--json" and 2 or 1, ...) }, { env = { GROUPCACHE_LISTEN = false } })
  end

  it("prints the value, and on stderr its time and its waits", function()
    local out = try("g", "k")
    assert.same({ 0, "v:k!\n" }, { out.code, out.stdout })
    assert.matches("took %d+%.%d+ ms, 4 bytes, kept for %d+ s\n", out.stderr)
    assert.matches("waited +[%d.]+ ms for groupcache.sleep\n", out.stderr)
    assert.matches("waited +[%d.]+ ms for group:get\n", out.stderr)
    assert.is_nil(out.stderr:find "level=")
  end)

  it("has all of it as JSON", function()
    local said = decoded(try("--json", "g", "k"))
    assert.same({ "g", "k", "v:k!", 4, true }, { said.group, said.key, said.value, said.bytes,
      said.kept })
    assert.is_true(said.ms >= 20)
    assert.equal("groupcache.sleep", said.waits[1].what)
    assert.is_true(said.waits[1].ms >= 19)
    assert.is_false(decoded(try("--json", "other", "k")).kept)
  end)

  it("writes no log and no snapshot of the node, and joins no cluster", function()
    local dir = tmp.dir()
    local path = tmp.file(([[
require("groupcache").group("g", { getter = function(key) return "v:" .. key end })
return { access_log = %q, snapshot = { path = %q }, self = "http://10.0.0.1:8080",
  peers = { "http://10.0.0.1:8080", "http://10.0.0.2:8080" },
  tls = { cert = "/nonexistent", key = "/nonexistent" } }
]]):format(dir .. "/access", dir .. "/snapshot"), "node.lua")
    local out = run { "run-getter", path, "g", "k" }
    assert.same({ 0, "v:k\n" }, { out.code, out.stdout }, out.stderr)
    for _, name in ipairs { "/access", "/snapshot" } do
      assert.is_nil((lfs.attributes(dir .. name, "mode")))
    end
  end)

  it("ends with 1 for a getter that fails, and says why", function()
    for key, text in pairs { bad = "failed: no luck (GETTER)\n", none = "not found",
      threw = "oh no" } do
      local out = try("g", key)
      assert.same({ 1, "" }, { out.code, out.stdout })
      assert.matches(text, out.stderr, 1, true)
    end
    assert.matches("beside.lua", run({ "run-getter", tmp.file("require 'beside'", "a.lua"), "g",
      "k" }).stderr, 1, true)
  end)

  it("ends with 1 for a group that is not there, and for a script that is not", function()
    assert.matches('has no group "nothing"', try("nothing", "k").stderr, 1, true)
    local out = run { "run-getter", "/nonexistent.lua", "g", "k" }
    assert.same({ 1, "groupcached: cannot open /nonexistent.lua: No such file or directory\n" },
      { out.code, out.stderr })
  end)
end)
