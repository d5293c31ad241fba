-- SPDX-License-Identifier: MIT

-- groupcached as its operator meets it: what it says when it cannot start, where its settings come
-- from.

local http = require "support.http"
local lfs = require "lfs"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"

local GOOD = [[
require("groupcache").group("g", { getter = function(key) return key end })
]]

local function run(...)
  local argv = { node.binary, ... }
  argv.timeout = 20
  argv.env = argv.env or { GROUPCACHE_LISTEN = "127.0.0.1:0" }
  return process.run(argv)
end

local function script(source)
  return tmp.file(source, "node.lua")
end

-- One line on stderr, nothing on stdout. Returns the line.
local function one_line(out, code)
  assert.equal(code, out.code, out.stderr)
  assert.equal("", out.stdout)
  assert.matches("^groupcached: [^\n]+\n$", out.stderr)
  return out.stderr:sub(1, -2)
end

describe("groupcached", function()
  it("explains itself with --help, -h and no matter what else", function()
    for _, words in ipairs { { "--help" }, { "-h" }, { "x.lua", "--help" } } do
      local out = run(unpack(words))
      assert.equal(0, out.code)
      assert.equal("", out.stderr)
      assert.matches("groupcached SCRIPT.lua [options]", out.stdout, 1, true)
      assert.matches("\nExit status: ", out.stdout, 1, true)
      for _, flag in ipairs { "listen", "self", "peers", "workers", "http-threads", "admin-listen",
          "dialect", "log-level" } do
        assert.matches("\n  --" .. flag .. " ", out.stdout, 1, true)
      end
      for line in out.stdout:gmatch "[^\n]+" do
        assert.is_true(#line <= 110, line)
      end
    end
  end)

  it("tells its version", function()
    local out = run "--version"
    assert.equal(0, out.code)
    assert.matches("^groupcached %d+%.%d+%.%d+\n$", out.stdout)
  end)

  describe("ends with 2 for a command line that is wrong:", function()
    local good = script(GOOD)
    local cases = {
      ["no script"] = { {}, "which script?" },
      ["check without a script"] = { { "check" }, "check" },
      ["two scripts"] = { { good, good }, "one script" },
      ["an unknown option"] = { { good, "--wokers", "2" },
        "unknown option --wokers, the nearest is --workers" },
      ["an unknown option with a value"] = { { good, "--lisen=x" }, "the nearest is --listen" },
      ["a short option"] = { { good, "-p", "80" }, "unknown option -p" },
      ["an option without its value"] = { { good, "--listen" }, "--listen needs ADDRESS" },
      ["a text in place of a number"] = { { good, "--workers", "many" }, '--workers is "many"' },
      ["no workers"] = { { good, "--workers", "0" }, "a whole number from 1 to 256" },
      ["an unknown level"] = { { good, "--log-level", "loud" }, "must be debug, info, warn" },
      ["an unknown dialect"] = { { good, "--dialect=klingon" }, '--dialect is "klingon", and must '
        .. 'be one of "golang", "mailgun", "groupcache-go", "modernprogram"' },
      ["an unknown hash"] = { { good, "--hash", "md5" },
        '--hash is "md5", and must be one of "crc32"' },
      ["a negative time"] = { { good, "--drain-timeout", "-1" }, '--drain-timeout is "-1"' },
      ["a size without a unit we know"] = { { good, "--vm-bytes", "64 parsecs" }, "64MB" },
      ["neither yes nor no"] = { { good, "--jit", "perhaps" }, '--jit is "perhaps"' },
    }
    for name, case in pairs(cases) do
      it(name, function()
        local line = one_line(run(unpack(case[1])), 2)
        assert.matches("; see groupcached --help", line, 1, true)
        assert.matches(case[2], line, 1, true)
      end)
    end
  end)

  describe("ends with 1, and one line, for a script", function()
    local G = 'local g = require("groupcache").group\nlocal function f() end\n'
    local cases = {
      ["with a syntax error"] = { "local x =\n\nlocal y = 1\n", "node%.lua:3: unexpected symbol" },
      ["that throws"] = { "\nerror('no luck')\n", "node%.lua:2: no luck" },
      ["that throws a table"] = { "error({})\n", "the script threw a table" },
      ["that returns a number"] = { GOOD .. "return 5\n", "must return a table .* a number" },
      ["without a group"] = { "return {}\n", "defines no group" },
      ["without anything"] = { "\n", "defines no group" },
      ["with an unknown option"] = { G .. "g('a', { getter = f, cache_byte = 1 })\n",
        'node%.lua:3: group "a": unknown option "cache_byte", the nearest is "cache_bytes"' },
      ["with an option of a wrong type"] = { G .. "g('a', { getter = f, ttl = 'x' })\n",
        'node%.lua:3: group "a": ttl is "x", and must be a number of seconds' },
      ["with a bad size"] = { G .. "g('a', { getter = f, cache_bytes = '1 XB' })\n",
        'node%.lua:3: group "a": cache_bytes is "1 XB", and must be a number of bytes' },
      ["without a getter"] = { G .. "g('a', { ttl = 1 })\n",
        'node%.lua:3: group "a": getter is missing' },
      ["with a text in place of a getter"] = { G .. "g('a', { getter = 'f' })\n",
        'node%.lua:3: group "a": getter is "f", and must be a function' },
      ["with a function in place of options"] = { G .. "g('a', f)\n",
        "node%.lua:3: .* a function, and must" },
      ["with a group without a name"] = { G .. "g({ getter = f })\n", "node%.lua:3: the name of" },
      ["with a group twice"] = { G .. "g('a', { getter = f })\n\ng('a', { getter = f })\n",
        'node%.lua:5: group "a" is already defined at [^\n]*node%.lua:3' },
      ["with an unknown setting"] = { GOOD .. "return { listne = '127.0.0.1:0' }\n",
        'node%.lua: unknown option "listne", the nearest is "listen"' },
      ["with a setting of a wrong type"] = { GOOD .. "return { workers = 'two' }\n",
        'node%.lua: workers is "two", and must be a whole number' },
      ["with a setting that cannot be copied"] = { GOOD .. "return { self = print }\n",
        'node%.lua: setting "self" is a function' },
      ["with settings that hold themselves"] = { GOOD .. "local t = {} t.peers = t return t\n",
        'node%.lua: setting "peers" is nested too deeply' },
      ["with an unknown dialect"] = { GOOD .. "return { dialect = 'mailgum' }\n",
        'node%.lua: dialect is "mailgum", and must be one of "golang", "mailgun"' },
      ["with peers that are no list"] = { GOOD .. "return { peers = { a = 'http://x:1' } }\n",
        "node%.lua: peers is a table, and must be a list of strings" },
    }
    for name, case in pairs(cases) do
      it(name, function()
        local path = script(case[1])
        for _, words in ipairs { { path }, { "check", path } } do
          assert.matches(case[2], one_line(run(unpack(words)), 1))
        end
      end)
    end

    it("that is not there", function()
      local line = one_line(run(tmp.dir() .. "/none.lua"), 1)
      assert.matches("none%.lua: No such file or directory$", line)
    end)

    it("that is a folder", function()
      assert.matches("directory", one_line(run(tmp.dir()), 1))
    end)

    it("that is bytecode, which could do anything", function()
      local path = script(string.dump(assert(loadstring(GOOD))))
      assert.matches("node%.lua is bytecode", one_line(run(path), 1))
    end)

    it("that a getter's VM has no memory for", function()
      one_line(run(script("local all = {} for i = 1, 1e7 do all[i] = {} end " .. GOOD),
        "--vm-bytes", "2MB"), 1)
    end)
  end)

  describe("ends with 1, and one line, for settings that do not fit:", function()
    local url = "http://127.0.0.1:1234"
    local cases = {
      ["peers without self"] = { { "--peers", url }, "self is not" },
      ["self missing from peers"] = { { "--self", "http://127.0.0.1:1", "--peers", url },
        'self "http://127.0.0.1:1" is not in the peer list' },
      ["a self that differs in a slash"] = { { "--self", url .. "/", "--peers", url },
        'self "http://127.0.0.1:1234/" is not in the peer list' },
      ["a peer with a slash"] = { { "--self", url, "--peers", url .. "/," .. url },
        'peer "http://127.0.0.1:1234/" must end after host and port' },
      ["a peer with a path"] = { { "--self", url, "--peers", url .. "," .. url .. "/x" },
        'peer "http://127.0.0.1:1234/x" must end after host and port' },
      ["a peer without a scheme"] = { { "--self", url, "--peers", url .. ",127.0.0.1:1" },
        'peer "127.0.0.1:1" is not a URL' },
      ["a peer with a space"] = { { "--self", url, "--peers", url .. ",http://a b:1" },
        'peer "http://a b:1" is not a URL' },
      ["a peer twice"] = { { "--self", url, "--peers", url .. "," .. url },
        'peer "http://127.0.0.1:1234" is listed twice' },
      ["a peer twice, but for its scheme, where the ring has none"] = { { "--self", url, "--peers",
        url .. ",https://127.0.0.1:1234", "--dialect", "groupcache-go" },
        'peer "https://127.0.0.1:1234" is listed twice' },
      ["a hash that the dialect has not"] = { { "--dialect", "mailgun", "--hash", "fnv1-32" },
        'hash is "fnv1-32", and in the dialect mailgun must be one of "fnv1-64", "crc32"' },
      ["a hash of another dialect"] = { { "--hash", "fnv1-64" },
        'hash is "fnv1-64", and in the dialect golang must be one of "crc32", "fnv1-32"' },
      ["a listen address without a port"] = { { "--listen", "127.0.0.1" }, "must be HOST:PORT" },
      ["a listen address with a port too many"] = { { "--listen", "127.0.0.1:99999" }, "99999" },
      ["a bad listen address"] = { { "--listen", "256.0.0.1:80" }, "256.0.0.1:80" },
      ["a listen address of another machine"] = { { "--listen", "192.0.2.1:0" },
        "listen 192.0.2.1:0: Cannot assign requested address" },
      ["a bad admin address"] = { { "--admin-listen", "nowhere" }, "nowhere" },
      ["a base path without slashes"] = { { "--base-path", "x" }, "with a slash at both ends" },
      ["a base path over the clients'"] = { { "--base-path", "/cache/" },
        "which is where clients ask" },
      ["too little memory for a VM"] = { { "--vm-bytes", "1000" }, "1000" },
      ["more connections than descriptors"] = { { "--max-connections", "1000000" }, "ulimit" },
    }
    for name, case in pairs(cases) do
      it(name, function()
        local path = script(GOOD)
        local words = { path, unpack(case[1]) }
        assert.matches(case[2], one_line(run(unpack(words)), 1), 1, true)
      end)
    end

    it("a listen address that is taken", function()
      local taken = assert(socket.bind("127.0.0.1", 0))
      local _, port = taken:getsockname()
      local address = "127.0.0.1:" .. port
      local line = one_line(run(script(GOOD), "--listen", address), 1)
      assert.equal("groupcached: listen " .. address .. ": Address already in use", line)
      line = one_line(run(script(GOOD), "--admin-listen", address), 1)
      assert.equal("groupcached: admin_listen " .. address .. ": Address already in use", line)
      taken:close()
    end)

    it("a variable of the environment with a wrong value", function()
      local out = process.run { node.binary, script(GOOD), timeout = 20,
        env = { GROUPCACHE_WORKERS = "none" } }
      assert.matches('GROUPCACHE_WORKERS is "none", and must be', one_line(out, 1), 1, true)
    end)
  end)

  describe("ends with 1 when the script defines other groups each time it runs:", function()
    -- Runs is how often the script has run before.
    local COUNTER = [[
local path = os.getenv "COUNTER"
local f = io.open(path)
local runs = f and #f:read "*a" or 0
if f then f:close() end
f = assert(io.open(path, "a")) f:write "." f:close()
local g = require("groupcache").group
local function getter() end
]]

    local function differ(source)
      local counter = tmp.dir() .. "/counter"
      local out = process.run { node.binary, script(COUNTER .. source), timeout = 20,
        "--listen", "127.0.0.1:0", "--workers", "3", env = { COUNTER = counter } }
      return one_line(out, 1), #tmp.read(counter)
    end

    it("an option that differs", function()
      local line, runs = differ "g('a', { getter = getter, ttl = 5 + (runs > 1 and 1 or 0) })\n"
      assert.matches('group "a" is not the same in every VM', line, 1, true)
      assert.matches("5000 at [^\n]*node%.lua:8, and 6000 at [^\n]*node%.lua:8", line)
      assert.equal(3, runs) -- nothing more than the difference was looked for
    end)

    it("a type of contents that differs", function()
      local line = differ "g('a', { getter = getter, content_type = 'text/x' .. runs })\n"
      assert.matches('"text/x0" at [^\n]*node%.lua:8, and "text/x1" at [^\n]*node%.lua:8', line)
    end)

    it("a group at another line", function()
      local line = differ [[
if runs == 0 then g('a', { getter = getter })
else g('a', { getter = getter }) end
]]
      assert.matches("defined at [^\n]*node%.lua:8, and at [^\n]*node%.lua:9", line)
    end)

    it("a group that is missing, or one more", function()
      for _, condition in ipairs { "runs == 0", "runs > 0" } do
        local line = differ(([[
g('a', { getter = getter })
if %s then g('b', { getter = getter }) end
]]):format(condition))
        assert.matches('group "b" .* defined at [^\n]*node%.lua:9 in one', line)
        assert.matches("not at all in another", line, 1, true)
      end
      local line = differ "g(runs == 0 and 'a' or 'b', { getter = getter })"
      assert.matches('group "[ab]" .*node%.lua:8.*node%.lua:8', line)
    end)

    it("a script that fails the second time", function()
      local line = differ "g('a', { getter = getter })\nassert(runs < 1, 'not again')\n"
      assert.matches("node%.lua:9: not again$", line)
    end)
  end)

  describe("with few open files", function()
    local function with_limit(limit, words)
      local command = ("ulimit -n %d; exec %s %s"):format(limit, node.binary, words)
      return process.run { "sh", "-c", command, timeout = 20 }
    end

    it("says which limit would do, and checks fine", function()
      local words = "check " .. script(GOOD) .. " --workers 2 --http-threads 2"
      local out = with_limit(1024, words)
      assert.equal(0, out.code, out.stderr)
      local usable, enough = out.stderr:match("limit=1024 max_connections=(%d+) usual=4000 "
        .. "ulimit_n=(%d+)")
      assert.is_truthy(enough, out.stderr)
      assert(tonumber(usable) > 200 and tonumber(usable) < 512, usable)
      local better = with_limit(tonumber(enough), words)
      assert.equal("", better.stderr)
      out = with_limit(tonumber(enough) - 100, words .. " --max-connections 4000")
      assert.equal(1, out.code)
      assert.matches(("max_connections is 4000, and the limit of %d open files allows %%d+: "
        .. "ulimit %%-n %d would do"):format(tonumber(enough) - 100, tonumber(enough)), out.stderr)
    end)

    it("refuses to start when no connection is left, and says which limit would do", function()
      local out = with_limit(256, script(GOOD))
      assert.equal(1, out.code)
      assert.matches("the limit of 256 open files is too low for a node: ulimit %-n %d+ would do",
        out.stderr)
    end)
  end)

  describe("check", function()
    it("says that the script is fine, and starts nothing", function()
      local taken = assert(socket.bind("127.0.0.1", 0))
      local _, port = taken:getsockname()
      local path = script(GOOD .. GOOD:gsub('"g"', '"h"'))
      local out = run("check", path, "--listen", "127.0.0.1:" .. port)
      taken:close()
      assert.equal(0, out.code)
      assert.equal("", out.stderr)
      assert.matches(path .. ": fine, 2 groups: g, h\n", out.stdout, 1, true)
    end)

    it("is also the name of a script that stands alone", function()
      local dir = tmp.dir()
      tmp.write(dir .. "/check", GOOD)
      local cwd = lfs.currentdir()
      local binary = node.binary:sub(1, 1) == "/" and node.binary or cwd .. "/" .. node.binary
      local out = process.run { binary, "check", "check", cwd = dir, timeout = 20 }
      assert.same({ 0, "check: fine, 1 group: g" }, { out.code, out.stdout:match "^[^\n]*" })
    end)
  end)
end)

describe("a setting is taken from", function()
  -- max_key_bytes is seen in what is refused, workers in /stats.
  local SCRIPT = GOOD .. "return { max_key_bytes = 30, workers = 3, listen = '127.0.0.1:1' }\n"
  local ENV = { GROUPCACHE_MAX_KEY_BYTES = "20", GROUPCACHE_WORKERS = "2",
    GROUPCACHE_LISTEN = "127.0.0.1:2" }

  local cases = {
    { "its default, when nobody sets it", { script = GOOD }, 4096 },
    { "the script before the default", { script = SCRIPT }, 30, 3 },
    { "the environment before the script", { script = SCRIPT, env = ENV }, 20, 2 },
    { "a flag before the environment", { script = SCRIPT, env = ENV,
      args = { "--max-key-bytes=10", "--workers", "1" } }, 10, 1 },
  }
  for _, case in ipairs(cases) do
    local name, opts, max, workers = unpack(case)
    it(name, function()
      local n = node.start(opts)
      local at_most = assert(n:get("g", ("k"):rep(max))).status
      local over = assert(n:get("g", ("k"):rep(max + 1))).status
      local stats = n:stats()
      rig.stop(n)
      assert.same({ 200, 400 }, { at_most, over })
      assert.equal(workers or stats.workers.vms, stats.workers.vms)
      assert.matches("addr=127.0.0.1:" .. n.port .. "\n", n:log(), 1, true) -- a flag, as well
    end)
  end

  it("an empty variable as little as from none", function()
    local n = node.start { script = SCRIPT, env = { GROUPCACHE_WORKERS = "" } }
    local workers = n:stats().workers.vms
    n:stop()
    assert.equal(3, workers)
  end)

  it("the environment also for lists", function()
    local port = ports.free()
    local url = "http://127.0.0.1:" .. port
    local n = node.start { script = GOOD, port = port,
      env = { GROUPCACHE_PEERS = url .. ", http://127.0.0.1:1", GROUPCACHE_SELF = url } }
    local peers = n:stats().peers
    n:stop()
    assert.same({ url, "http://127.0.0.1:1" }, { peers[1].url, peers[2].url })
  end)

  it("the script, for a node that finds a free port and says which", function()
    local dir = tmp.dir()
    tmp.write(dir .. "/node.lua", GOOD .. "return { listen = '127.0.0.1:0' }\n")
    local p = process.spawn { node.binary, dir .. "/node.lua", stderr = dir .. "/log" }
    local port = require "support.eventually" (function()
      return tmp.read(dir .. "/log"):match 'msg="ready"'
        and tmp.read(dir .. "/log"):match 'msg="listening" addr=127.0.0.1:(%d+)\n'
    end, 20)
    local res = http.get(("http://127.0.0.1:%s/cache/g/key"):format(port))
    p:kill "SIGINT"
    assert.equal(0, p:wait(10))
    assert.equal("key", res.body)
  end)
end)

describe("a node that runs", function()
  it("keeps no descriptor, thread or file of requests that are over", function()
    local dir, r = tmp.dir(), rig.new()
    local n = node.start { env = { TMPDIR = dir }, script = r:script [[
      require("groupcache").group("g", { getter = function(key)
        if key:find "^nap" then require("groupcache").sleep(0.01) end
        return key
      end })
    ]] }
    local function count(what)
      local found = 0
      for name in lfs.dir(("/proc/%d/%s"):format(n.process.pid, what)) do
        found = found + (tonumber(name) and 1 or 0)
      end
      return found
    end
    local requests = {}
    for i = 1, 300 do
      requests[i] = { port = n.port, target = "/cache/g/" .. (i % 2 == 0 and "nap" or "k") .. i }
    end
    http.parallel(requests, 50)
    local before = { count "fd", count "task" }
    for _ = 1, 3 do
      http.parallel(requests, 50)
    end
    require "support.eventually" (function()
      return count "fd" <= before[1] and count "task" <= before[2]
    end, 5, "descriptors and threads as before")
    rig.stop(n)
    for name in lfs.dir(dir) do
      assert(name == "." or name == "..", "left behind: " .. name)
    end
  end)
end)
