-- SPDX-License-Identifier: MIT

-- Kept connections: whatever an origin or a peer sends on them, and whenever it hangs up, nobody
-- gets the value of another key, and the node lives. Both are made up down to the byte.

local cjson = require "cjson"
local eventually = require "support.eventually"
local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local sorted = require "groupcache.sorted"
local versions = require "support.versions"

-- Newer versions than 8.14 join folded headers, as RFC 9112, 5.2 says, and show us the line as one.
local JOINS_FOLDED = versions.at_least("libcurl", "8.15")

-- What both know: the answer to a request, as bytes, and one that nobody asked for. A target's last
-- part is the key; its value names it.
local COMMON = [[
local function value_of(request)
  local value = "value of " .. request.target:match "[^/]*$"
  if request.target:find "^/_groupcache/" then
    value = "\10" .. string.char(#value) .. value
  end
  return value
end
local function answer_with(value, more)
  return ("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
    .. "Content-Length: %d\r\n%s\r\n%s"):format(#value, more or "", value)
end
local function good(request) return answer_with(value_of(request)) end
local function chunked(request, trailer)
  local value = value_of(request)
  return ("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
    .. "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n%s\r\n")
    :format(#value, value, trailer or "")
end
local SURPLUS = answer_with "\10\8SURPLUS!"
local function later(c, bytes)
  c:sleep(0.002)
  c:send(bytes)
  c:note "later"
end
]]

-- The getter asks the origin with the method in the key; a peer is asked first where it owns the
-- key, and a value that came from elsewhere says so.
local SCRIPT = [[
local groupcache = require "groupcache"
local http = require "groupcache.http"
local origin = os.getenv "ORIGIN"
groupcache.group("g", { hot = "never", timeout = 3, getter = function(key)
  if not origin then return "value of " .. key end
  local method = key:match "^%u+" or "GET"
  local res, err, code = http.request { url = origin .. "/" .. key, method = method,
    timeout = 2, body = method == "POST" and "a body" or nil }
  if not res then return nil, code .. " " .. err end
  return res.status .. " " .. res.body
end })
]]

local f, n, peers, count

local function start(who, source)
  f = fake.start(COMMON .. source)
  f.says_later = source:find "later%(" ~= nil
  if who == "origin" then
    n = node.start { script = SCRIPT, env = { ORIGIN = f.url } }
  else
    local port = ports.free()
    peers = { "http://127.0.0.1:" .. port, f.url }
    n = node.start { script = SCRIPT, port = port, peers = peers }
  end
end

local function new_key(who, name)
  count = count + 1
  name = (name or "GET") .. count .. "-"
  return who == "peer" and rig.owned_by(peers, f.url, name) or name
end

-- What a key gives: "200 its value" with the status that the origin said, or "502 code".
local function get(who, name)
  local key = new_key(who, name)
  local res = assert(n:get("g", key, { timeout = 8 }))
  assert.is_nil(res.body:find("SURPLUS", 1, true), key .. ": " .. res.body)
  if res.status ~= 200 then
    return ("%d %s"):format(res.status, cjson.decode(res.body).error), key
  end
  local status, value = res.body:match "^(%d+) (.*)$"
  value = value or res.body
  assert(value == "" or value == "value of " .. key, key .. ": " .. res.body)
  return (status or "200") .. (value == "" and " empty" or " good"), key
end

-- How often the other side has said later() so far.
local function said()
  local times = 0
  for _, line in ipairs(f:requests()) do
    times = times + (line == "later" and 1 or 0)
  end
  return times
end

-- One after the other; what the other side says later has come before the next.
local function get_each(who, times, name)
  local seen, later = {}, 0
  for i = 1, times do
    seen[i] = get(who, name)
    if f.says_later then
      later = later + 1
      eventually(function() return said() >= later end, 5, "the other side speaks unasked")
    end
  end
  return seen
end

-- Many at once: no value is another's.
local function get_together(who, times)
  local keys = {}
  for i = 1, times do
    keys[i] = new_key(who)
  end
  local answers, getters = {}, {}
  for i = 1, times do
    getters[i] = function() answers[i] = assert(n:get("g", keys[i], { timeout = 8 })) end
  end
  http.together(getters)
  for i, res in ipairs(answers) do
    assert.is_nil(res.body:find("SURPLUS", 1, true), keys[i] .. ": " .. res.body)
    if res.status == 200 then
      assert.equal("value of " .. keys[i], (res.body:gsub("^200 ", "")))
    end
  end
end

local function all(times, what)
  local list = {}
  for i = 1, times do
    list[i] = what
  end
  return list
end

local function finish()
  rig.stop(n)
  f:stop()
end

describe("bytes that nobody asked for", function()
  before_each(function() count = 0 end)
  after_each(finish)

  local CASES = {
    { "behind an answer, in its packet", [[c:send(good(request) .. SURPLUS)]] },
    { "behind an answer, a little later", [[c:send(good(request)) later(c, SURPLUS)]] },
    { "three of them, a little later",
      [[c:send(good(request)) later(c, SURPLUS:rep(3))]] },
    { "one byte behind an answer", [[c:send(good(request) .. "x")]] },
    { "behind the last chunk, in its packet", [[c:send(chunked(request) .. SURPLUS)]] },
    { "behind the last chunk, a little later",
      [[c:send(chunked(request)) later(c, SURPLUS)]] },
    { "half behind the last chunk, half later",
      [[c:send(chunked(request) .. SURPLUS:sub(1, 9)) later(c, SURPLUS:sub(10))]] },
    { "cut so that what comes later looks like an answer",
      [[c:send(chunked(request) .. "junk") later(c, SURPLUS)]] },
    { "behind a trailer", [[c:send(chunked(request, "X-T: 1\r\n") .. SURPLUS)]] },
  }
  for _, who in ipairs { "origin", "peer" } do
    for _, case in ipairs(CASES) do
      it(("from %s %s: are nobody's value"):format(who == "origin" and "an origin" or "a peer",
        case[1]), function()
        start(who, "return function(request, c) " .. case[2] .. " end")
        assert.same(all(10, "200 good"), get_each(who, 10))
        if not f.says_later then -- what comes while another waits is its answer, for all we know
          get_together(who, 30)
        end
      end)
    end
  end

  for _, case in ipairs {
    { "204 No Content\r\n", "204 empty" },
    { "204 No Content\r\nContent-Length: 5\r\n", "204 empty" },
    { "304 Not Modified\r\n", "304 empty" },
    { "200 OK\r\nContent-Length: 0\r\n", "200 empty" },
    { "200 OK\r\nContent-Length: 7\r\n", "200 empty", "HEAD" },
  } do
    for _, when in ipairs { "", ", a little later" } do
      it(("as the body of a %s's %s%s: are nobody's value"):format(case[3] or "GET",
        case[1]:gsub("\r\n", " "), when), function()
        start("origin", ([[return function(request, c)
          local head = "HTTP/1.1 %s\r\n"
          %s
        end]]):format(case[1]:gsub("\r\n", "\\r\\n"), when == "" and "c:send(head .. SURPLUS)"
          or "c:send(head) later(c, SURPLUS)"))
        assert.same(all(10, case[2]), get_each("origin", 10, case[3]))
      end)
    end
  end

  it("as the body of a 103: are an error", function()
    start("origin", [[return function(request, c)
      c:send("HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\nabc" .. good(request))
    end]])
    for _, what in ipairs(get_each("origin", 5)) do
      assert.matches("^502 ", what)
    end
  end)

  it("leave answers after a 100 and a 103 alone", function()
    start("origin", [[return function(request, c)
      c:send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        .. good(request))
    end]])
    assert.same(all(5, "200 good"), get_each("origin", 5))
  end)
end)

describe("a connection that is well", function()
  before_each(function() count = 0 end)
  after_each(finish)

  for what, source in pairs {
    ["answers with a length"] = "good(request)", ["chunked answers"] = "chunked(request)",
    ["empty answers"] = [["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]],
    ["answers without content"] = [["HTTP/1.1 204 No Content\r\n\r\n"]],
  } do
    it("is kept through " .. what, function()
      start("origin", "local n = 0 return function(request, c) c:send(" .. source
        .. ") end, function(c) n = n + 1 assert(n == 1, 'a second connection') end")
      get_each("origin", 20)
      assert.is_true(f.process:alive())
    end)
  end
end)

describe("a kept connection that ends as the next request comes", function()
  before_each(function() count = 0 end)
  after_each(finish)

  -- The first request on a connection is answered, the second one is not.
  local CLOSES = [[return function(request, c)
    if c.asked == 1 then c:send(good(request)) else c:close() end
  end]]

  for _, who in ipairs { "origin", "peer" } do
    it("costs no request, of 36 to " .. who, function()
      start(who, CLOSES)
      assert.same(all(36, "200 good"), get_each(who, 36))
      if who == "peer" then
        assert.equal(0, n:stats().peers[2].errors)
      end
    end)
  end

  for _, method in ipairs { "POST", "PATCH" } do
    it("has a " .. method .. " carried out once, and fails with PEER", function()
      start("origin", CLOSES)
      assert.equal("200 good", get("origin", method))
      local what, key = get("origin", method)
      assert.matches("^502 PEER .*ended before an answer", what)
      local times = 0
      for _, line in ipairs(f:requests()) do
        times = times + (line == method .. " /" .. key and 1 or 0)
      end
      assert.equal(1, times)
    end)
  end

  for where, source in pairs {
    ["within the head"] = [[c:send "HTTP/1.1 200 OK\r\nContent-Le"]],
    ["between head and body"] = [[c:send(good(request):sub(1, -#value_of(request) - 1))]],
    ["within the body"] = [[c:send(good(request):sub(1, -4))]],
    ["within a chunk"] = [[c:send(chunked(request):sub(1, -12))]],
    ["before the last chunk"] = [[c:send(chunked(request):sub(1, -6))]],
  } do
    it("is a failure " .. where .. ", of that key alone", function()
      start("origin", ([[return function(request, c)
        if c.asked ~= 3 then return c:send(good(request)) end
        %s c:close()
      end]]):format(source))
      local seen = get_each("origin", 9)
      for i, what in ipairs(seen) do
        assert.matches(i % 3 == 0 and "^502 GETTER" or "^200 good$",
          (what:gsub("^502 PEER", "502 GETTER")))
      end
    end)
  end
end)

describe("a head that is not HTTP's", function()
  before_each(function() count = 0 end)
  after_each(finish)

  local OK = "HTTP/1.1 200 OK\r\n"
  local HEADS = {
    ["a folded first line"] = OK .. "\tX: y\r\n",
    ["a folded first line with a space"] = OK .. " X: y\r\nContent-Length: 8\r\n",
    ["a folded Transfer-Encoding, not in chunks"] = OK .. "Transfer-Encoding:\r\n chunked\r\n",
    ["a NUL in a value"] = OK .. "X: a\0b\r\nContent-Length: 8\r\n",
    ["a NUL in a name"] = OK .. "X\0Y: a\r\nContent-Length: 8\r\n",
    ["a NUL in the status line"] = "HTTP/1.1 200 O\0K\r\nContent-Length: 8\r\n",
    ["a bare CR in a value"] = OK .. "X: a\rContent-Length: 3\r\nContent-Length: 8\r\n",
    ["a bare CR as a line end"] = "HTTP/1.1 200 OK\rContent-Length: 8\r\n",
    ["10,000 headers"] = OK .. ("X: y\r\n"):rep(10000) .. "Content-Length: 8\r\n",
    ["a line of 1 MB"] = OK .. "X: " .. ("y"):rep(2 ^ 20) .. "\r\nContent-Length: 8\r\n",
    ["a status line of 1 MB"] = "HTTP/1.1 200 " .. ("y"):rep(2 ^ 20) .. "\r\nContent-Length: 8\r\n",
    ["half a version"] = "HTTP/1.\r\nContent-Length: 8\r\n",
    ["no version"] = "HTTP/ 200 OK\r\nContent-Length: 8\r\n",
    ["HTTP/2"] = "HTTP/2 200 OK\r\nContent-Length: 8\r\n",
    ["HTTP/1.10"] = "HTTP/1.10 200 OK\r\nContent-Length: 8\r\n",
    ["HTTP/3.1"] = "HTTP/3.1 200 OK\r\nContent-Length: 8\r\n",
    ["a status of six digits"] = "HTTP/1.1 200200 OK\r\nContent-Length: 8\r\n",
    ["a status of two digits"] = "HTTP/1.1 20 OK\r\nContent-Length: 8\r\n",
    ["a status of 000"] = "HTTP/1.1 000 OK\r\nContent-Length: 8\r\n",
    ["a negative status"] = "HTTP/1.1 -20 OK\r\nContent-Length: 8\r\n",
    ["no status"] = "HTTP/1.1 OK\r\nContent-Length: 8\r\n",
    ["ICY"] = "ICY 200 OK\r\nContent-Length: 8\r\n",
    ["a space before the status line"] = " HTTP/1.1 200 OK\r\nContent-Length: 8\r\n",
    ["no header at all"] = "8 bytes?\r\n",
    ["a space before a colon"] = OK .. "Content-Length : 8\r\n",
    ["a header without a colon"] = OK .. "Content-Length 8\r\n",
    ["a header without a name"] = OK .. ": x\r\nContent-Length: 8\r\n",
    ["a second status line"] = OK .. OK .. "Content-Length: 8\r\n",
    ["two lengths"] = OK .. "Content-Length: 8\r\nContent-Length: 80\r\n",
    ["a list of lengths"] = OK .. "Content-Length: 8, 8\r\n",
    ["a negative length"] = OK .. "Content-Length: -8\r\n",
    ["a length with a plus"] = OK .. "Content-Length: +8\r\n",
    ["a length in hex"] = OK .. "Content-Length: 0x8\r\n",
    ["a length with a unit"] = OK .. "Content-Length: 8B\r\n",
    ["an empty length"] = OK .. "Content-Length:\r\n",
    ["a length of 2^64 + 8"] = OK .. "Content-Length: 18446744073709551624\r\n",
    ["a length and chunks"] = OK .. "Content-Length: 8\r\nTransfer-Encoding: chunked\r\n",
    ["chunks and a length"] = OK .. "Transfer-Encoding: chunked\r\nContent-Length: 8\r\n",
    ["chunked twice"] = OK .. "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ["gzip and chunks"] = OK .. "Transfer-Encoding: gzip, chunked\r\n",
    ["xchunked"] = OK .. "Transfer-Encoding: xchunked\r\n",
    ["chunks in HTTP/1.0"] = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n",
    ["a change of protocol"] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n",
  }
  if not JOINS_FOLDED then
    HEADS["a folded line"] = OK .. "X: y\r\n z\r\nContent-Length: 8\r\n"
    HEADS["a folded Content-Length"] = OK .. "Content-Length:\r\n 8\r\n"
  end

  -- Each comes as the second answer on a kept connection, and the next keys must be well.
  for _, who in ipairs { "origin", "peer" } do
    it("is refused, whatever is wrong with it: from " .. who, function()
      local names, heads = sorted(HEADS), {}
      for i, name in ipairs(names) do
        heads[i] = ("%q"):format(HEADS[name]):gsub("\r", "\\r"):gsub("\\?%z", "\\000")
      end
      start(who, "local heads = {" .. table.concat(heads, ",\n") .. [[ }
        local next_one = 0
        return function(request, c)
          if c.asked ~= 2 then return c:send(good(request)) end
          next_one = next_one + 1
          c:send((heads[next_one] or "HTTP/1.1 500 Enough\r\nContent-Length: 8\r\n")
            .. "\r\nSURPLUS!" .. SURPLUS)
        end]])
      local refused = {}
      for _, name in ipairs(names) do
        assert.equal("200 good", get(who), name)
        local what, key = get(who)
        -- From a peer: the node loads it itself, since the peer could not be used.
        refused[name] = who == "peer" and what == "200 good" or what
        assert.is_true(n.process:alive(), name)
        assert(key)
      end
      for name, what in pairs(refused) do
        assert(what == true or what:find "^502 PEER" or what:find "^502 TOOBIG",
          name .. ": " .. tostring(what))
      end
      if who == "peer" then
        assert.equal(#names, n:stats().peers[2].errors)
      end
    end)
  end

  it("is refused for a folded line, or read as if the line were one", function()
    start("origin", [[
      local next_one = 0
      local folds = { { "Length: ", "Length:\r\n " },
        { "\r\n\r\n", "\r\nX: y\r\n\tz\r\n\r\n" } }
      return function(request, c)
        next_one = next_one + 1
        c:send((good(request):gsub(folds[next_one][1], folds[next_one][2])))
      end]])
    for _ = 1, 2 do
      assert.matches(JOINS_FOLDED and "^200 good$" or "^502 PEER ", (get "origin"))
    end
  end)

  it("may end its lines with LF alone", function()
    start("origin", [[return function(request, c)
      c:send((good(request):gsub("\r\n", "\n")))
    end]])
    assert.same(all(3, "200 good"), get_each("origin", 3))
  end)
end)

describe("an answer of one of our own nodes", function()
  before_each(function() count = 0 end)

  it("names the request that it answers, and is refused when it names another", function()
    f = fake.start(COMMON .. [[return function(request, c)
      local id = request.target:find "wrong" and ("0"):rep(16) or nil
      c:send(answer_with(value_of(request), "X-Groupcache-Node: 1\r\n"
        .. (id and "X-Groupcache-Key: " .. id .. "\r\n" or "")))
    end]])
    local port = ports.free()
    peers = { "http://127.0.0.1:" .. port, f.url }
    n = node.start { script = SCRIPT, port = port, peers = peers }
    assert.equal("200 good", get("peer", "right"))
    assert.equal(0, n:stats().peers[2].errors)
    assert.equal("200 good", get("peer", "wrong"))
    assert.equal(1, n:stats().peers[2].errors)
    assert.matches("an answer to another request", n:log())
    finish()
  end)

  it("names it for one key, for errors and for a batch", function()
    n = node.start { script = [[
      require("groupcache").group("g", { getter = function(key)
        if key ~= "none" then return "x" end
      end })
    ]] }
    local from = { ["X-Groupcache-From"] = "http://127.0.0.1:1" }
    local function id_of(opts)
      opts.headers = from
      return assert(n:request(opts)).headers["x-groupcache-key"]
    end
    local one = id_of { target = "/_groupcache/g/one" }
    assert.matches("^%x+$", one)
    assert.equal(16, #one)
    assert.equal(one, id_of { target = "/_groupcache/g/o%6ee" }) -- now a hit
    assert.equal(one, id_of { target = "/_groupcache/g/one" }) -- the answer that is kept
    assert.equal(one, id_of { target = "/_groupcache/g/one" })
    assert.not_equal(one, id_of { target = "/_groupcache/g/two" })
    assert.matches("^%x+$", id_of { target = "/_groupcache/g/none" })
    local batch = id_of { target = "/_groupcache/g", method = "POST", body = "\18\3one" }
    assert.matches("^%x+$", batch)
    assert.is_nil(assert(n:request { target = "/_groupcache/g/one" }).headers["x-groupcache-key"])
    rig.stop(n)
  end)
end)

