-- SPDX-License-Identifier: MIT

-- Every script in examples/ runs and does what it says of itself.

local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local lfs = require "lfs"
local nginx = require "support.nginx"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local program = require "api.program"
local socket = require "socket"
local tmp = require "support.tmp"

-- The lines that a head tells its reader to try.
local function to_try(path)
  local list = {}
  for line in io.lines(path) do
    local command, says = line:match "^%-%- +(curl [^#]*)(.*)$"
    if command then
      list[#list + 1] = { command = command:gsub(" +$", ""), says = says }
    end
  end
  return list
end

-- Runs one of them in a shell, as a reader does, against another port, which also has /stats.
local function try(command, port)
  local text = command:gsub("127%.0%.0%.1:[89]080", "127.0.0.1:" .. port):gsub("^curl ", "curl -s ")
  local out = process.run { "sh", "-euc", text, env = { http_proxy = false } }
  assert.equal(0, out.code, command)
  return out.stdout
end

local checks = {}

checks["quickstart.lua"] = function(path)
  local root = tmp.dir() .. "/"
  tmp.write(root .. "GPL-3", "GNU GENERAL PUBLIC LICENSE\n")
  tmp.write(root .. "a b/c", "in a folder\0with NUL")
  local n = node.start { script = path, env = { QUICKSTART_ROOT = root } }

  local tries = to_try(path)
  assert.equal(4, #tries)
  local first = try(tries[1].command, n.port)
  assert.matches("^HTTP/1.1 200 OK\r\n", first)
  assert.matches("\r\nX%-Cache: local\r\n", first)
  assert.matches("\r\n\r\nGNU GENERAL PUBLIC LICENSE\n$", first)
  assert.matches("X-Cache says main", tries[2].says, 1, true)
  assert.matches("\r\nX%-Cache: main\r\n", try(tries[2].command, n.port))
  assert.matches("^HTTP/1.1 404 Not Found\r\n", try(tries[3].command, n.port))
  assert.is_truthy(cjson.decode(try(tries[4].command, n.port)).groups.files)

  assert.equal("in a folder\0with NUL", assert(n:get("files", "a b/c")).body)
  assert.equal(404, assert(n:get("files", "a b")).status) -- a folder
  for _, key in ipairs { "../etc/passwd", "a/../../x", "..", "GPL-3\0.txt" } do
    local res = assert(n:get("files", key))
    assert.equal(502, res.status)
    assert.matches("a path without .. and NUL", cjson.decode(res.body).error, 1, true)
  end
  assert.equal("text/plain; charset=utf-8",
    assert(n:get("files", "GPL-3")).headers["content-type"])
  assert.equal(0, (n:stop()))
end

checks["site.lua"] = function(path)
  local origin = nginx.start { config = "location / { expires 60s; }" }
  tmp.write(origin.dir .. "/index.html", "hello from the site")
  local n = node.start { script = path, env = { ORIGIN = origin.url } }
  local tries = to_try(path)
  local first = try(tries[1].command, n.port)
  assert.matches("\r\n\r\nhello from the site$", first)
  assert.matches("Cache%-Status: groupcache; fwd=uri%-miss; ttl=%d+; stored", first)
  assert.matches("Cache%-Status: groupcache; hit", try(tries[2].command, n.port))
  assert.matches("^HTTP/1.1 206 .*\r\n\r\nhello$", try(tries[3].command, n.port))
  assert.matches("^HTTP/1.1 204 ", try(tries[4].command, n.port))
  assert.matches("fwd=uri%-miss", try(tries[1].command, n.port))
  assert.equal(0, (n:stop()))
  origin:stop()
end

-- A real origin, with a redirect and an outage.
checks["pages.lua"] = function(path)
  local root = tmp.dir() .. "/"
  tmp.write(root .. "pictures/17.png", "\137PNG")
  for _, language in ipairs { "en", "de" } do
    for page = 1, 2 do
      tmp.write(("%s%s/users/17.%d.html"):format(root, language, page), language .. page)
    end
  end
  local origin = nginx.start { root = root, http = "types { image/png png; text/html html; }",
    config = "location /pictures/old.png { return 301 http://site.example/new.png; }" }
  local n = node.start { script = path, env = { ORIGIN = origin.url } }
  local tries = to_try(path)
  assert.equal(3, #tries)

  for _ = 1, 2 do
    local picture = try(tries[1].command, n.port)
    assert.matches("^HTTP/1.1 200 OK\r\n", picture)
    assert.matches("\r\nContent%-Type: image/png\r\n", picture)
    assert.matches("\r\nLast%-Modified: ", picture)
    local moved = assert(n:get("pictures", "old.png"))
    assert.same({ 301, "http://site.example/new.png" }, { moved.status, moved.headers.location })
    assert.equal(404, assert(n:get("pictures", "none.png")).status)
    assert.matches("\r\n\r\nde1$", try(tries[2].command, n.port))
  end
  local function page(target, language)
    return assert(n:request { target = "/cache/pages/" .. target,
      headers = { ["Accept-Language"] = language } }).body
  end
  assert.equal("en2", page("users/17?x=1&page=2"))
  assert.equal("en1", page("users/17", "fr, en;q=0.5"))
  assert.equal(6, #origin:requests(6)) -- each only once

  tmp.write(root .. "de/users/17.1.html", "new")
  assert.equal("de1", page("users/17", "de"))
  assert.matches("^HTTP/1.1 204 No Content\r\n", try(tries[3].command, n.port))
  assert.equal("new", page("users/17", "de-AT"))
  origin:stop()
  assert.equal("new", page("users/17", "de"))
  assert.equal(301, assert(n:get("pictures", "old.png")).status)
  assert.equal(0, (n:stop()))
end

-- It prints what its comments say.
checks["library.lua"] = function(path)
  local root = tmp.dir() .. "/"
  tmp.write(root .. "GPL-3", ("x"):rep(35149))
  local out = process.run { "luajit", path, timeout = 60,
    env = program.env { QUICKSTART_ROOT = root } }
  assert.equal(0, out.code, out.stderr)
  local expected, printed = {}, {}
  for line in io.lines(path) do
    expected[#expected + 1] = line:match "%-%-> (.*)$"
  end
  for line in out.stdout:gmatch "[^\n]+" do
    printed[#printed + 1] = line:gsub("\t", "  ")
  end
  assert.equal(4, #expected)
  assert.same(expected, printed)
end

-- Eight clients wait for getters that take 0.5 s, all at the same time, and a ninth has its pings
-- answered meanwhile.
local function has_a_loop(request, pong)
  return function(path)
    local port, out = ports.free(), tmp.dir() .. "/out"
    local p = process.spawn { "luajit", path, tostring(port), stdout = out,
      stderr = out .. ".log", env = program.env() }
    eventually(function() return tmp.read(out):find "ready" end, 20, "it is ready")
    local function connect()
      local c = assert(socket.connect("127.0.0.1", port))
      c:settimeout(10)
      return c
    end
    local clients, begin, answered = {}, socket.gettime(), 0
    for i = 1, 8 do
      clients[i] = connect()
      clients[i]:send(request:format("k" .. i))
    end
    while #socket.select(clients, nil, 0) == 0 do
      local c = connect()
      c:send(request:format "ping")
      repeat
        local line = assert(c:receive())
      until line == pong
      c:close()
      answered = answered + 1
      assert(socket.gettime() - begin < 60)
    end
    for _, c in ipairs(clients) do
      assert.is_truthy(c:receive())
      c:close()
    end
    local took = socket.gettime() - begin
    p:kill "SIGKILL"
    p:wait(10)
    assert.is_true(took >= 0.5 and took < 3.9, took) -- one after the other takes 4 s
    assert.is_true(answered >= 3, answered) -- behind getters, one or two
  end
end

--- So many loads a second, over all VMs. An nginx counts for itself.
checks["rate_limit.lua"] = function(path)
  local root = tmp.dir() .. "/"
  for i = 1, 60 do
    tmp.write(root .. "prices/k" .. i, "17")
  end
  local api = nginx.start { root = root, config = [[
    location = /prices/at-once { add_header Retry-After 0 always; return 429; }
    location = /prices/limited { add_header Retry-After 30 always; return 429; }
  ]] }
  local n = node.start { script = path, args = { "--workers", 4 }, env = { API = api.url } }
  local begin, fine, busy = os.time(), 0, 0
  for i = 1, 60 do
    local status = assert(n:get("prices", "k" .. i)).status
    fine = fine + (status == 200 and 1 or 0)
    busy = busy + (status == 503 and 1 or 0)
  end
  local seconds = os.time() - begin + 1
  assert.equal(60, fine + busy)
  assert.is_true(fine >= 10 and fine <= 10 * seconds, fine)
  assert.equal(fine, #api:requests(fine))

  -- The API asks for a pause: nobody asks it, not even for another price.
  for _, key in ipairs { "at-once", "limited" } do
    eventually(function()
      return assert(n:get("prices", key)).body:find "the API says 429"
    end, 20, "a question that was let through")
  end
  assert.matches("asked for a pause", assert(n:get("prices", "k61")).body)
  assert.equal(fine + 2, #api:requests(fine + 2))
  n:stop()
  api:stop()
end

checks["loop_http.lua"] = has_a_loop("GET /%s HTTP/1.1\r\nHost: any\r\n\r\n", "pong")
checks["loop_copas.lua"] = program.lacks "copas" or has_a_loop("%s\n", "pong")
checks["loop_luv.lua"] = has_a_loop("%s\n", "pong")

describe("examples/", function()
  it("holds nothing that is not tried here", function()
    for name in lfs.dir "examples" do
      if name:match "%.lua$" then
        local elsewhere = "spec/sources/" .. name:gsub("%.lua$", "_spec.lua")
        assert(checks[name] or lfs.attributes(elsewhere, "mode"),
          "examples/" .. name .. " has no check, here or as " .. elsewhere)
      end
    end
  end)

  for name, check in pairs(checks) do
    it(name .. " does what it says", function()
      if type(check) == "string" then
        pending(check)
        return
      end
      check("examples/" .. name)
    end)
  end

  describe("systemd/", function()
    local dir

    -- Copies of the units that name the binary of this build: systemd wants it to be there.
    before_each(function()
      dir = tmp.dir()
      local binary = process.run({ "realpath", node.binary }).stdout:match "%S+"
      for name in lfs.dir "examples/systemd" do
        if name:match "%.%a+$" then
          tmp.write(dir .. "/" .. name, (tmp.read("examples/systemd/" .. name)
            :gsub("/usr/local/bin/groupcached", binary)))
        end
      end
    end)

    it("has units without a mistake", function()
      local r = process.run { "systemd-analyze", "verify", dir .. "/groupcached.service",
        dir .. "/groupcached.socket" }
      assert.same({ 0, "" }, { r.code, r.stderr }) -- of an unknown key only stderr tells
    end)

    it("shuts the service off from the machine", function()
      local r = process.run { "systemd-analyze", "security", "--offline=yes", "--threshold=20",
        dir .. "/groupcached.service" }
      assert.equal(0, r.code, r.stdout)
    end)

    it("does not forbid code that LuaJIT makes", function()
      assert.is_nil(tmp.read(dir .. "/groupcached.service"):find "\nMemoryDenyWriteExecute")
    end)
  end)

  describe("cluster.sh", function()
    local function three_ports()
      for _ = 1, 200 do
        local first, free = ports.free(), true
        for port = first + 1, first + 2 do
          local s = socket.tcp4()
          free = free and s:bind("127.0.0.1", port) and s:listen(1)
          s:close()
        end
        if free then
          return first
        end
      end
      error "no three free ports in a row"
    end

    local function start(...)
      local dir = tmp.dir()
      local p = process.spawn { "sh", "examples/cluster.sh", stdout = dir .. "/out",
        stderr = dir .. "/err", env = { BUILD = os.getenv "BUILD" or "build" }, ... }
      p.log = function()
        return tmp.read(dir .. "/err")
      end
      p.out = function()
        return tmp.read(dir .. "/out")
      end
      return p
    end

    local function ready(first)
      for port = first, first + 2 do
        eventually(function()
          local url = ("http://127.0.0.1:%d/readyz"):format(port)
          return http.get(url, { timeout = 2 }).status == 200
        end, 20, "node " .. port)
      end
    end

    local function all_gone(first)
      eventually(function()
        for port = first, first + 2 do
          local c = http.connect("127.0.0.1", port, 1)
          if c then
            c:close()
            return false
          end
        end
        return true
      end, 10, "all three have ended")
    end

    local SCRIPT = [[
      require("groupcache").group("g", { getter = function(key) return "v:" .. key end })
    ]]

    for _, signal in ipairs { "SIGINT", "SIGTERM" } do
      it(("runs three nodes as one ring, until %s"):format(signal), function()
        local first = three_ports()
        local p = start(tmp.file(SCRIPT, "node.lua"), "3", tostring(first))
        ready(first)
        assert.matches("a ring of 3 nodes: ", p.out(), 1, true)
        local sources = {}
        for i = 1, 60 do
          local res = assert(http.get(("http://127.0.0.1:%d/cache/g/k%d"):format(first, i)))
          assert.equal("v:k" .. i, res.body)
          sources[res.headers["x-cache"]] = true
        end
        assert.same({ ["local"] = true, peer = true }, sources)
        p:kill(signal)
        assert.equal(0, p:wait(15))
        all_gone(first)
      end)
    end

    it("ends them all when one ends", function()
      local first = three_ports()
      local p = start(tmp.file(SCRIPT, "node.lua"), "3", tostring(first))
      ready(first)
      local stats = assert(http.get(("http://127.0.0.1:%d/stats"):format(first + 1001))).body
      require("posix.signal").kill(cjson.decode(stats).pid, 9)
      assert.equal(1, p:wait(15))
      assert.matches("a node ended; stopping the others", p.log(), 1, true)
      all_gone(first)
    end)
  end)
end)
