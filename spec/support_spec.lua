-- SPDX-License-Identifier: MIT

-- The specs' own tools, where a mistake in them would make other specs lie.

local eventually = require "support.eventually"
local ffi = require "ffi"
local http = require "support.http"
local lfs = require "lfs"
local links = require "chaos.links"
local nginx = require "support.nginx"
local ports = require "support.ports"
local process = require "support.process"
local socket = require "socket"
local tmp = require "support.tmp"
local tree = require "support.tree"

-- A server that answers every connection with fixed bytes and closes; plain sh and nc are no given.
local SERVER = [[
local socket = require "socket"
local server = assert(socket.bind("127.0.0.1", tonumber(arg[1])))
local f = io.open(arg[2], "rb")
local answer = f:read "*a"
f:close()
while true do
  local c = server:accept()
  c:settimeout(5)
  local length = 0
  repeat
    local line = c:receive "*l"
    length = tonumber((line or ""):match "^[Cc]ontent%-[Ll]ength: (%d+)") or length
  until not line or line == ""
  if length > 0 then c:receive(length) end
  c:send(answer)
  c:close()
end
]]

local function canned(answer)
  local port = ports.free()
  local p = process.spawn { "luajit", tmp.file(SERVER, "server.lua"), port, tmp.file(answer) }
  require "support.eventually" (function()
    return http.connect("127.0.0.1", port, 1)
  end, 5, "the canned server listens"):close()
  return port, p
end

local function ask(answer, opts)
  local port, p = canned(answer)
  finally(function()
    p:kill "SIGKILL"
    p:wait()
  end)
  local req = { port = port }
  for k, v in pairs(opts or {}) do
    req[k] = v
  end
  return http.request(req)
end

describe("support.http", function()
  it("reads a chunked body, extensions and trailers included", function()
    local res = assert(ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "5\r\nhello\r\n6;x=y\r\n\0world\r\n0\r\nX-Sum: 11\r\n\r\n"))
    assert.equal("hello\0world", res.body)
    assert.equal("11", res.trailers["x-sum"])
    assert.is_true(res.keep_alive)
  end)

  it("does not take a cut-off chunked body for a whole one", function()
    local res, err = ask "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    assert.is_nil(res)
    assert.equal("closed", err)
  end)

  it("refuses a chunk longer than it says", function()
    local res, err = ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "3\r\nhello\r\n0\r\n\r\n")
    assert.is_nil(res)
    assert.matches("chunk longer", err)
  end)

  it("does not take a short body for a whole one", function()
    local res, err = ask "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
    assert.is_nil(res)
    assert.equal("closed", err)
  end)

  it("reads a body that ends with the connection", function()
    local res = assert(ask "HTTP/1.0 200 OK\r\n\r\nall of it")
    assert.equal("all of it", res.body)
    assert.is_false(res.keep_alive)
  end)

  it("expects no body after HEAD, 204 and 304, whatever the headers say", function()
    local head = { method = "HEAD" }
    assert.equal("", assert(ask("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", head)).body)
    assert.equal("", assert(ask "HTTP/1.1 204 No Content\r\n\r\n").body)
    assert.equal("", assert(ask "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n").body)
  end)

  it("skips interim answers, joins repeated headers and keeps them as sent", function()
    local res = assert(ask("HTTP/1.1 100 Continue\r\n\r\n"
      .. "HTTP/1.1 404 Not There\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 0\r\n\r\n"))
    assert.equal(404, res.status)
    assert.equal("Not There", res.reason)
    assert.equal("1, 2", res.headers["x-a"])
    assert.same({ "x-a", "2" }, res.raw_headers[2])
  end)

  it("says how it failed", function()
    assert.same({ nil, "connection refused" }, { http.request { port = ports.free() } })
    local _, err = ask "SSH-2.0-x\r\n\r\n"
    assert.matches("^bad response", err)
    local port, p = canned ""
    finally(function()
      p:kill "SIGKILL"
    end)
    p:freeze()
    assert.same({ nil, "timeout" }, { http.request { port = port, timeout = 0.1 } })
  end)

  it("hands over raw bytes", function()
    local port, p = canned "not http at all"
    finally(function()
      p:kill "SIGKILL"
    end)
    local bytes, how = http.raw("127.0.0.1", port, { "GET / HTT", "P/1.0\r\n\r\n" }, { gap = 0.01 })
    assert.equal("not http at all", bytes)
    assert.equal("closed", how)
  end)

  it("escapes every byte that could mean something", function()
    assert.equal("a%20b%2Bc%25%00%2F", http.escape "a b+c%\0/")
    assert.equal("%2E%2E", http.escape "..")
    assert.equal("x.y-z_~", http.escape "x.y-z_~")
  end)
end)

describe("support.nginx and support.tree", function()
  local dir, files, server

  setup(function()
    dir = tmp.dir()
    files = tree.make(dir, 60)
    server = nginx.start { root = dir }
  end)

  teardown(function()
    assert.equal(0, server:stop())
  end)

  local function target(path)
    return "/" .. path:gsub("[^/]+", http.escape)
  end

  it("serve every file of the tree, many at once, and log each", function()
    local requests = {}
    for i, file in ipairs(files) do
      requests[i] = { port = server.port, target = target(file.path), file = file }
    end
    local done = 0
    http.parallel(requests, 20, function(res, err, req)
      assert(res, err)
      assert.equal(200, res.status)
      assert.equal(req.file.size, #res.body)
      assert.is_true(res.body == tree.content(req.file.path, req.file.size))
      done = done + 1
    end)
    assert.equal(#files, done)
    require "support.eventually" (function()
      return #server:requests() == #files
    end)
    local first = server:requests()[1]
    assert.equal("GET", first.method)
    assert.equal(200, first.status)
  end)

  it("hold hundreds of connections at the same time", function()
    local conns, opening, asking, answered = {}, {}, {}, 0
    for i = 1, 800 do
      opening[i] = function()
        conns[i] = assert(http.connect("127.0.0.1", server.port))
      end
      asking[i] = function()
        local res = assert(conns[i]:request { target = target(files[#files].path) })
        assert.equal(200, res.status)
        conns[i]:close()
        answered = answered + 1
      end
    end
    http.together(opening)
    http.together(asking)
    assert.equal(800, answered)
  end)

  it("make the same tree twice", function()
    local again = tree.make(tmp.dir(), 60)
    assert.equal(#files, #again)
    for i, file in ipairs(files) do
      assert.equal(file.path, again[i].path)
      assert.equal(file.size, again[i].size)
    end
    assert.equal(0, files[1].size)
    assert.equal(5 * 1024 * 1024, files[2].size)
  end)
end)

describe("support.process", function()
  it("gives code, output and error output", function()
    local r = process.run { "sh", "-c", "cat; echo $WORD; echo no >&2; exit 3", input = "in ",
      env = { WORD = "out" } }
    assert.same({ code = 3, stdout = "in out\n", stderr = "no\n" }, r)
  end)

  it("tells a signal from an exit", function()
    local p = process.spawn { "sleep", "100" }
    assert.is_true(p:alive())
    p:kill "SIGKILL"
    assert.same({ nil, "signal", 9 }, { p:wait(5) })
    assert.is_false(p:alive())
  end)

  it("raises when the program cannot be started", function()
    assert.error_matches(function()
      process.spawn { "/nonexistent/program" }
    end, "cannot start /nonexistent/program: .*No such file")
  end)

  it("leaves no child behind when the run is killed", function()
    local dir = tmp.dir()
    local script = tmp.file(([[
      package.path = %q
      local process = require "support.process"
      local p = process.spawn { "sleep", "100" }
      local f = io.open(%q, "w")
      f:write(p.pid, "\n")
      f:close()
      process.spawn { "sleep", "100" }:wait(100)
    ]]):format(package.path, dir .. "/pid"))
    local run = process.spawn { "luajit", script }
    local pid = eventually(function()
      return tonumber((tmp.read(dir .. "/pid")))
    end)
    run:kill "SIGKILL"
    run:wait(5)
    eventually(function()
      -- Gone, or a zombie nobody in this container reaps.
      local f = io.open(("/proc/%d/stat"):format(pid))
      local state = f and f:read "*a":match "%) (%a)"
      if f then
        f:close()
      end
      return not f or state == "Z" or state == nil
    end, 5, "the grandchild is gone")
  end)
end)

describe("support.tmp and support.ports", function()
  it("make nested folders and remove them", function()
    local dir = tmp.dir()
    tmp.write(dir .. "/a/b/c", "\0x")
    assert.equal("\0x", tmp.read(dir .. "/a/b/c"))
    tmp.remove(dir)
    assert.is_nil(lfs.attributes(dir, "mode"))
  end)

  it("never give a port twice", function()
    local seen = {}
    for _ = 1, 200 do
      local port = ports.free()
      assert.is_nil(seen[port])
      seen[port] = true
    end
  end)
end)

describe("support.unit", function()
  it("declares the real headers, again and again", function()
    local unit = require "support.unit"
    if not lfs.attributes(unit.library, "mode") then
      pending "make testlib first"
      return
    end
    local C = unit.load "base/err.h"
    assert.equal(C, unit.load("base/err.h", "base/buf.h"))
    assert.equal(0, tonumber(C.ERR_OK))
    assert.is_true(ffi.sizeof "struct error" >= 240)
  end)
end)

describe("node.rig", function()
  local rig = require "node.rig"

  it("ends all nodes, and tells of one that had ended by itself", function()
    local nodes = {}
    for i = 1, 3 do
      nodes[i] = select(2, rig.start [[require("groupcache").group("g", { getter = print })]])
    end
    nodes[1]:kill9()
    nodes[2]:signal "SIGKILL"
    eventually(function() return not nodes[2].process:alive() end, 5, "it has ended")
    nodes[3]:freeze()
    assert.error_matches(function() rig.stop_all(nodes) end,
      "the node ended by itself with signal 9")
    assert.is_false(nodes[3].process:alive())
    rig.stop_all(nodes)
  end)
end)

describe("chaos.links", function()
  it("makes a link late, holds it, cuts its connections, and closes it", function()
    local port = canned "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    local door = ports.free()
    local address = "127.0.2.1:" .. door
    local l = links.new(1)
    l:add(address, "127.0.0.1:" .. port)
    l:wait()

    local function get(timeout)
      local began = socket.gettime()
      local res, err = http.request { host = "127.0.2.1", port = door, timeout = timeout or 20 }
      return res and res.body or err, socket.gettime() - began
    end

    assert.equal("hi", (get()))
    l:set(address, { delay_ms = 150 })
    eventually(function()
      local body, took_s = get()
      assert.equal("hi", body)
      return took_s >= 0.3 -- there and back
    end, 20)
    l:set(address, { rate = 100 })
    eventually(function()
      local body, took_s = get() -- a request of some 40 bytes, an answer of 40
      assert.equal("hi", body)
      return took_s > 0.5
    end, 20)
    l:set(address, { state = "held" })
    eventually(function() return get(0.1) == "timeout" end, 20)
    local held
    http.together { function()
      held = get()
    end, function()
      http.pause(0.05)
      assert.is_nil(held)
      l:set(address, {})
    end }
    assert.equal("hi", held)
    l:set(address, { resets = 1000 })
    eventually(function() return get() ~= "hi" end, 20)
    l:set(address, { state = "down" })
    eventually(function() return get() == "connection refused" end, 20)
    l:set(address, {})
    eventually(function() return get() == "hi" end, 20)
  end)
end)

describe("support.prose", function()
  local prose = require "support.prose"

  local function words(name, text)
    local counts = {}
    for i, sentence in ipairs(prose.sentences(tmp.file(text, name))) do
      counts[i] = ("%d:%d"):format(sentence.line, sentence.words)
    end
    return table.concat(counts, " ")
  end

  it("counts the words of comments in C", function()
    assert.equal("1:3 1:2 4:4 5:1 6:2", words("a.c", [[
/* one two three. A second
 *
 *   no sentence here
 * four words - in `it all`
 */ int code; /* one */
x = 1; /* two, words */ f();
]]))
  end)

  it("counts the words of comments in Lua", function()
    assert.equal("1:4 4:1 5:2 5:2", words("a.lua", [[
-- Over two
-- lines now.
--   no sentence
local x = 1 -- one
--- and three: @param x
local s = "--no comment"
]]))
  end)

  it("counts the words of Markdown, without code and headings", function()
    assert.equal("2:3 3:2 3:1 8:2 9:2", words("a.md", [[
# A heading of many words
one [two](three) `many code words`
| a cell | b |
```
no words at all
```

- an item
- another one
    code
]]))
  end)
end)
