-- SPDX-License-Identifier: MIT

-- The access log: a line for each request, for which nobody waits.

local eventually = require "support.eventually"
local http = require "support.http"
local lfs = require "lfs"
local node = require "support.node"
local posix_stat = require "posix.sys.stat"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { writable = true, getter = function(key)
  if key == "absent" then return nil end
  if key == "slow" then groupcache.sleep(0.2) end
  return "v:" .. key
end })
]]

local LINE = '^(%S+) %- %- %[(%d%d/%a%a%a/%d%d%d%d:%d%d:%d%d:%d%d %+0000)%] "(.-)" (%d%d%d) (%S+) '
  .. '(".-") (".-") (%d+%.%d%d%d%d%d%d) (%S+) (".*")$'

local function lines_of(path)
  local list = {}
  for line in tmp.read(path):gmatch "([^\n]*)\n" do
    local host, at, request, status, bytes, referer, agent, seconds, source, key = line:match(LINE)
    assert(host, "not in the format: " .. line)
    list[#list + 1] = { host = host, at = at, request = request, status = tonumber(status),
      bytes = bytes, referer = referer, agent = agent, seconds = tonumber(seconds), source = source,
      key = key }
  end
  return list
end

-- The lines about a path, once there are so many.
local function about(path, what, count)
  return eventually(function()
    local list = {}
    for _, line in ipairs(lines_of(path)) do
      if line.request:find(what, 1, true) then
        list[#list + 1] = line
      end
    end
    return #list >= count and list
  end, 5, what .. " is in the access log")
end

describe("the access log", function()
  local n, path

  local function start(opts)
    path = tmp.dir() .. "/access.log"
    n = node.start { script = opts and opts.script or SCRIPT, env = opts and opts.env,
      args = { "--access-log", path } }
  end

  after_each(function()
    if n then
      n:stop()
    end
    n = nil
  end)

  it("is off unless it is asked for", function()
    local dir = tmp.dir()
    local binary = node.binary:find "^/" and node.binary or lfs.currentdir() .. "/" .. node.binary
    n = node.start { script = SCRIPT, cwd = dir, program = binary }
    n:get("g", "a")
    for name in lfs.dir(dir) do
      assert.matches("^%.", name)
    end
    assert.not_matches("GET /", tmp.read(n.dir .. "/stdout"))
  end)

  it("has a line for each get, with its source and its key", function()
    start()
    n:get("g", "a/b", { headers = { { "User-Agent", 'my "agent"' }, { "Referer", "http://x/" } } })
    about(path, "/cache/g/", 1) -- of two requests on two threads any may be written first
    n:get("g", "a/b")
    about(path, "/cache/g/", 2)
    n:get("g", "absent")
    local gets = about(path, "/cache/g/", 3)
    assert.same({ "GET /cache/g/a%2Fb HTTP/1.1", "127.0.0.1", 200, "5", "local", '"a/b"' },
      { gets[1].request, gets[1].host, gets[1].status, gets[1].bytes, gets[1].source, gets[1].key })
    assert.same({ '"my \\x22agent\\x22"', '"http://x/"' }, { gets[1].agent, gets[1].referer })
    assert.same({ "main", '"-"', '"-"' }, { gets[2].source, gets[2].agent, gets[2].referer })
    assert.same({ 404, "error", '"absent"' }, { gets[3].status, gets[3].source, gets[3].key })
    local t = os.date "!*t"
    assert.matches(("/%d:"):format(t.year), gets[1].at, 1, true)
  end)

  it("says how long a request took", function()
    start()
    n:get("g", "slow")
    local line = about(path, "slow", 1)[1]
    assert.is_true(line.seconds >= 0.2 and line.seconds < 5)
  end)

  it("has requests other than gets", function()
    start()
    n:request { method = "PUT", target = "/cache/g/k", body = "new" }
    n:request { method = "HEAD", target = "/cache/g/k" }
    n:request { method = "POST", target = "/cache/g", body = '["a","b"]' }
    n:request { method = "DELETE", target = "/cache/g/k" }
    n:request { target = "/nothing?a=b&c=%20" }
    n:request { target = "/_groupcache/g/k" }
    local all = {}
    for _, what in ipairs { "PUT /cache/g/k ", "HEAD /cache/g/k ", "POST /cache/g ",
      "DELETE /cache/g/k ", "GET /nothing?a=b&c=%20 ", "GET /_groupcache/g/k " } do
      local line = about(path, what, 1)[1]
      all[#all + 1] = ("%d %s %s"):format(line.status, line.source, line.key)
    end
    assert.same({ '204 - "k"', '200 main "k"', '200 - "-"', '204 - "k"', '404 - "-"',
      '200 local "k"' }, all)
    assert.equal("0", about(path, "HEAD /cache/g/k ", 1)[1].bytes)
  end)

  it("has a line for a client that did not wait", function()
    local r = rig.new()
    start { script = r:script [[
      require("groupcache").group("g", { timeout = 60, getter = function(key)
        if key == "held" then rig.record(key) rig.gate "g" end
        return key
      end })
    ]] }
    assert.equal("timeout", select(2, n:get("g", "held", { timeout = 0.3 })))
    r:open "g"
    local line = about(path, "held", 1)[1]
    assert.same({ 200, '"held"' }, { line.status, line.key }) -- an answer was made
  end)

  it("has 499 for a client that left before its request was whole", function()
    start()
    http.raw(n.host, n.port, "PUT /cache/g/k HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab",
      { timeout = 0.2 })
    local line = about(path, "PUT /cache/g/k ", 1)[1]
    assert.same({ 499, "0" }, { line.status, line.bytes })
  end)

  it("forges no line, whatever a request says", function()
    start()
    n:get("g", 'a\n127.0.0.1 - - "', { headers = { { "User-Agent", "a\\b\tc" } } })
    local line = about(path, "/cache/g/", 1)[1]
    assert.equal('"a\\x0a127.0.0.1 - - \\x22"', line.key)
    assert.equal('"a\\x5cb\\x09c"', line.agent)
  end)

  it("has every line when the node has stopped", function()
    start()
    for i = 1, 200 do
      n:get("g", "k" .. i)
    end
    assert.equal(0, (n:stop()))
    assert.equal(200, #about(path, "/cache/g/k", 200))
    n = nil
  end)

  it("goes to stdout for -", function()
    n = node.start { script = SCRIPT, args = { "--access-log", "-" } }
    n:get("g", "a")
    about(n.dir .. "/stdout", "/cache/g/a", 1)
  end)

  it("is opened anew by SIGUSR1", function()
    start()
    n:get("g", "before")
    about(path, "before", 1)
    assert(os.rename(path, path .. ".1"))
    n:signal "SIGUSR1"
    eventually(function() return lfs.attributes(path, "mode") end, 5, "a new file")
    n:get("g", "after")
    about(path, "after", 1)
    assert.not_matches("after", tmp.read(path .. ".1"))
    assert.truthy(n:logged 'msg="the file was opened again" path=')
  end)

  it("goes on in the old file when the new one cannot be opened", function()
    start()
    local folder = path:match "^(.*)/"
    assert(os.rename(folder, folder .. ".moved"))
    n:signal "SIGUSR1"
    eventually(function() return n:logged "cannot be opened again" end, 5, "it is said")
    n:get("g", "after")
    about(folder .. ".moved/access.log", "after", 1)
    assert(os.rename(folder .. ".moved", folder))
  end)

  it("delays no request: lines that a pipe does not take are dropped and counted", function()
    local fifo = tmp.dir() .. "/fifo"
    assert.equal(0, posix_stat.mkfifo(fifo, 384))
    local reader = assert(io.open(fifo, "r+"))
    n = node.start { script = SCRIPT, args = { "--access-log", fifo } }
    local requests = {}
    for i = 1, 200 do
      requests[i] = { port = n.port, target = "/cache/g/" .. ("k"):rep(900) .. i }
    end
    for _ = 1, 5 do
      for _, res in ipairs(http.parallel(requests, 20)) do
        assert.equal(200, res.status)
      end
    end
    assert.equal(0, (n:stop(5)))
    local dropped = n:logged "lines were dropped: the file did not take them\" path=%S+ lines=(%d+)"
    assert.is_true(tonumber(dropped) > 0)
    reader:close()
    n = nil
  end)

  it("that cannot be opened ends the start", function()
    local out = process.run { node.binary, tmp.file(SCRIPT, "node.lua"), "--listen", "127.0.0.1:0",
      "--access-log", tmp.dir() .. "/none/access.log", timeout = 20 }
    assert.equal(1, out.code)
    assert.matches("access_log /%S+: No such file or directory", out.stderr)
  end)
end)
