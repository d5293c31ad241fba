-- SPDX-License-Identifier: MIT

-- The dialects of the Go forks, both sides of each over raw sockets. Peers get our answers. Our
-- node gets the bytes that the Go libraries were seen to send. Their libraries are in no Debian
-- package, so these records stand for them.

local eventually = require "support.eventually"
local fake = require "node.fake"
local http = require "support.http"
local messages = require "support.messages"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local socket = require "socket"

local FORKS = { "mailgun", "groupcache-go", "modernprogram" }

-- The tag of a GetResponse's expiry.
local EXPIRE = { mailgun = "\x18", ["groupcache-go"] = "\x18", modernprogram = "\x10" }

local SCRIPT = [[
require("groupcache").group("g", {
  hot = "always",
  getter = function(key)
    rig.record(key)
    if key:find "^none" then return nil end
    if key:find "^bad" then return nil, "no luck" end
    if key:find "^large" then return ("x"):rep(9000000) end
    if key:find "^big" then return ("0123456789"):rep(700000) end
    if key:find "^empty" then return "" end
    if key:find "^brief" then return key, nil, 60 end
    return "v:" .. key
  end,
})
]]

local function start(r, dialect, opts)
  local o = { script = r:script(SCRIPT), args = { "--dialect", dialect } }
  for k, v in pairs(opts or {}) do
    o[k] = v
  end
  return node.start(o)
end

-- What the last bytes of a message say, to some hundred nanoseconds.
local function read_varint(bytes)
  local n = 0
  for i = #bytes, 1, -1 do
    n = n * 128 + bytes:byte(i) % 128
  end
  return n
end

-- As Go's servers write it: the value, then the expiry even when there is none.
local function message(dialect, value, expire)
  return "\x0a" .. messages.varint(#value) .. value .. EXPIRE[dialect] .. (expire or "\0")
end

local PROTOBUF = { "Content-Type: application/x-protobuf" }
local TEXT = { "Content-Type: text/plain; charset=utf-8", "X-Content-Type-Options: nosniff" }

-- The status line, headers ("Name: value", sorted; without Date, the length and our own), body.
local function raw(n, method, target)
  local bytes, how = http.raw("127.0.0.1", n.port, ("%s /_groupcache/%s HTTP/1.1\r\nHost: x\r\n"
    .. "User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n"):format(method, target)
    .. "GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
  assert.equal("closed", how)
  local head, rest = bytes:match "^(.-)\r\n\r\n(.*)$"
  local line = head:match "^[^\r\n]*"
  local length, headers = nil, {}
  for name, value in head:gmatch "\n([^:\r\n]+): ([^\r\n]*)" do
    if name == "Content-Length" then
      length = tonumber(value)
    elseif name ~= "Date" and not name:find "^X%-Groupcache%-" then
      headers[#headers + 1] = name .. ": " .. value
    end
  end
  table.sort(headers)
  return line, headers, method == "HEAD" and "" or rest:sub(1, length)
end

for _, dialect in ipairs(FORKS) do
  describe("to a peer in the dialect " .. dialect, function()
    local r, n

    setup(function()
      r = rig.new()
      n = start(r, dialect)
    end)

    teardown(function()
      rig.stop(n)
    end)

    local function value(v)
      return { "200 OK", PROTOBUF, message(dialect, v) }
    end
    local function failure(status, text)
      return { status, TEXT, text .. "\n" }
    end
    local other = dialect == "groupcache-go"
      and failure("405 Method Not Allowed", "Only GET, DELETE, PUT, POST are supported")
      or value "v:plain"

    for _, row in ipairs {
      { "a value", "g/plain", value "v:plain" },
      { "an empty value", "g/empty", value "" },
      { "a value of two length bytes", "g/" .. ("a"):rep(200), value("v:" .. ("a"):rep(200)) },
      { "a raw plus, which is a plus", "g/a+b", value "v:a+b" },
      { "a space", "g/a%20b", value "v:a b" },
      { "slashes", "g/a%2Fb", value "v:a/b" },
      { "what url.PathEscape leaves", "g/$&+=:@~", value "v:$&+=:@~" },
      { "an escaped percent", "g/a%252Fb", value "v:a%2Fb" },
      { "NUL and 0xff", "g/%00%FF", value "v:\0\255" },
      { "two dots", "g/..", value "v:.." },
      { "the empty key", "g/", value "v:" },
      { "no such value", "g/none", failure("404 Not Found", "group g: not found") },
      { "a getter's error", "g/bad", failure("503 Service Unavailable", "no luck") },
      { "a value over max_value_bytes", "g/large", { "503 Service Unavailable", TEXT } },
      { "an unknown group: load it yourself", "nope/k",
        failure("500 Internal Server Error", "no such group: nope") },
      { "no key", "g", failure("400 Bad Request", "bad request") },
      { "HEAD", "g/plain", other, "HEAD" },
      { "a method that the dialect lacks", "g/plain", other, "PATCH" },
    } do
      it(row[1], function()
        local method = row[4] or "GET"
        local line, headers, body = raw(n, method, row[2])
        assert.equal("HTTP/1.1 " .. row[3][1], line)
        assert.same(row[3][2], headers)
        if row[3][3] then
          assert.equal(method == "HEAD" and "" or row[3][3], body)
        end
      end)
    end

    it("a bad escape ends the connection, as in net/http", function()
      local bytes, how = http.raw("127.0.0.1", n.port,
        "GET /_groupcache/g/%zz HTTP/1.1\r\nHost: x\r\n\r\n")
      assert.equal("closed", how)
      assert.matches("^HTTP/1.1 400 Bad Request\r\n", bytes)
      assert.matches("\r\n\r\n400 Bad Request$", bytes)
    end)

    it("the time at which a value ends, in its field, the same each time", function()
      local before = socket.gettime()
      local _, _, body = raw(n, "GET", "g/brief")
      local after = socket.gettime()
      local prefix = "\x0a\x05brief" .. EXPIRE[dialect]
      assert.equal(prefix, body:sub(1, #prefix))
      local seconds = read_varint(body:sub(#prefix + 1)) / 1e9
      assert(seconds > before + 59.9 and seconds < after + 60.1, seconds - before)
      local _, _, again = raw(n, "GET", "g/brief")
      assert(math.abs(read_varint(again:sub(#prefix + 1)) / 1e9 - seconds) < 0.1)
      assert.equal(1, r:calls().brief)
    end)
  end)

  describe("from a peer in the dialect " .. dialect, function()
    local r, n, peer, peers

    local function http_answer(status, headers, body)
      return ("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n\r\n%s"):format(status, #body,
        table.concat(headers, "\r\n"), body)
    end
    local function failed(status, text)
      return http_answer(status, TEXT, text .. "\n")
    end
    local function ok(body)
      return http_answer("200 OK", PROTOBUF, body)
    end
    -- Go's bytes for the year 2123, and for a nanosecond after 1970.
    local FAR, LONG_AGO = "\x85\x80\xd8\xce\xc0\xef\xdc\xad\x43", "\x01"
    local answers = {
      value = ok(message(dialect, "v")),
      void = ok(message(dialect, "")),
      far = ok(message(dialect, "v", FAR)),
      past = ok(message(dialect, "v", LONG_AGO)),
      chunked = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
        .. "Transfer-Encoding: chunked\r\n\r\n3\r\n\x0a\x01v\r\n2\r\n" .. EXPIRE[dialect]
        .. "\0\r\n0\r\n\r\n",
      original = ok "\x0a\x01v",
      missing = failed("404 Not Found", "no luck with this"),
      failing = failed("503 Service Unavailable", "getter failed"),
      lines = failed("503 Service Unavailable", "\n\nseveral\nlines\n\n"),
      broken = failed("500 Internal Server Error", "boom"),
      malformed = failed("400 Bad Request", "bad request"),
      method = failed("405 Method Not Allowed", "Only GET, DELETE, PUT are supported"),
      moved = http_answer("301 Moved Permanently", { "Location: /elsewhere" }, ""),
      group = failed("404 Not Found", "no such group: g"),
      path = failed("404 Not Found", "404 page not found"),
      crosstalk = failed("503 Service Unavailable", "further crosstalk refused"),
      cut = ok(message(dialect, "v"):sub(1, 2)),
      nothing = ok "",
    }

    setup(function()
      local list = {}
      for name, bytes in pairs(answers) do
        list[#list + 1] = ("[%q] = %q"):format(name, bytes:gsub("\r", "\\r"):gsub("%z", "\\0"))
      end
      -- %q leaves line ends and NULs such that a Lua source holds them; \r would not survive that.
      r = rig.new()
      peer = fake.start(([[
        local socket = require "socket"
        local answers = { %s }
        return function(request, c)
          local name = request.target:match "/(%%a+)%%-%%d"
          if name == "soon" then
            local ns, parts = (socket.gettime() + 1.5) * 1e9, {}
            while ns >= 128 do
              parts[#parts + 1] = string.char(ns %% 128 + 128)
              ns = math.floor(ns / 128)
            end
            local body = "\10\1v" .. %q .. table.concat(parts) .. string.char(ns)
            c:send("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: "
              .. #body .. "\r\n\r\n" .. body)
          elseif answers[name] then
            c:send((answers[name]:gsub("\\r", "\r"):gsub("\\0", "\0")))
          else -- also when it is asked whether it lives
            c:send("HTTP/1.1 400 Oh\r\nContent-Length: 0\r\n\r\n")
          end
        end
      ]]):format(table.concat(list, ",\n"), EXPIRE[dialect]))
      local port = ports.free()
      peers = { "http://127.0.0.1:" .. port, peer.url }
      n = start(r, dialect, { port = port, peers = peers })
    end)

    teardown(function()
      rig.stop(n)
      peer:stop()
    end)

    local function get(name)
      local key = rig.owned_by(peers, peer.url, name, dialect)
      return assert(n:get("g", key)), key
    end

    local function source(res)
      return res.headers["x-cache"]
    end

    for _, name in ipairs { "value", "void", "far", "chunked", "original" } do
      it("a value is taken and kept: " .. name, function()
        local want = name == "void" and "" or "v"
        local res, key = get(name)
        assert.same({ 200, want, "peer" }, { res.status, res.body, source(res) })
        assert.equal("hot", source(get(name)))
        assert.is_nil(r:calls()[key])
      end)
    end

    it("a value ends here when the field says so", function()
      local res = get "soon"
      assert.same({ 200, "v", "peer" }, { res.status, res.body, source(res) })
      assert.equal("hot", source(get "soon"))
      eventually(function() return source(get "soon") == "peer" end, 5, "it has ended")
    end)

    it("a value that has ended is " .. (dialect == "groupcache-go" and "told, and not kept"
      or "no answer, as in Go"), function()
      local res, key = get "past"
      if dialect == "groupcache-go" then
        assert.same({ 200, "v", "peer" }, { res.status, res.body, source(res) })
        assert.equal("peer", source(get "past"))
        assert.is_nil(r:calls()[key])
      else
        assert.same({ 200, "v:" .. key, "local" }, { res.status, res.body, source(res) })
      end
    end)

    for name, want in pairs {
      missing = { 404, "NOTFOUND", "no luck with this" },
      failing = { 502, "GETTER", "getter failed" },
      lines = { 502, "GETTER", "several\\nlines" },
    } do
      it("404 and 503 are the last word: " .. name, function()
        local res, key = get(name)
        assert.equal(want[1], res.status)
        assert.equal(('{"error":"%s","code":"%s"}\n'):format(want[3], want[2]), res.body)
        assert.is_nil(r:calls()[key]) -- no getter runs here
      end)
    end

    for _, name in ipairs { "broken", "malformed", "method", "moved", "group", "path", "crosstalk",
      "cut", "nothing" } do
      it("anything else is no answer, and the key is loaded here: " .. name, function()
        get "missing" -- a good answer: two broken ones in a row would eject the peer
        local before = n:stats().groups.g.peer_errors
        local res, key = get(name)
        assert.same({ 200, "v:" .. key, "local" }, { res.status, res.body, source(res) })
        assert.equal(1, r:calls()[key])
        assert.equal(before + 1, n:stats().groups.g.peer_errors)
      end)
    end

    it("is asked as Go's servers can read it", function()
      local key = rig.owned_by(peers, peer.url, "k +%/\0\255", dialect)
      assert(n:get("g", key))
      assert.equal("GET /_groupcache/g/" .. http.escape(key), peer:requests()[#peer:requests()])
    end)
  end)
end

for _, dialect in ipairs { "golang", "mailgun", "groupcache-go", "modernprogram" } do
  describe("two nodes in the dialect " .. dialect, function()
    local r, nodes, urls

    setup(function()
      r = rig.new()
      nodes = node.cluster(2, { script = r:script(SCRIPT), args = { "--dialect", dialect } })
      urls = { nodes[1].url, nodes[2].url }
    end)

    teardown(function()
      rig.stop_all(nodes)
    end)

    it("share 200 keys with one load each, where the ring says", function()
      local requests = {}
      for i = 1, 200 do
        for _, n in ipairs(nodes) do
          requests[#requests + 1] = { port = n.port, name = "key:" .. i * 7919,
            target = "/cache/g/key:" .. i * 7919, asked = n.url }
        end
      end
      local remote = 0
      for i, res in ipairs(http.parallel(requests, 8)) do
        local request = requests[i]
        assert.equal(200, res.status)
        assert.equal("v:" .. request.name, res.body)
        local at_owner = rig.owner(urls, request.name, dialect) == request.asked
        remote = remote + (at_owner and 0 or 1)
        assert.equal(not at_owner, res.headers["x-cache"] == "peer", request.name)
      end
      assert.equal(200, remote)
      for key, times in pairs(r:calls()) do
        assert.equal(1, times, key)
      end
      assert.equal(200, r:total())
    end)

    it("tell each other how a load failed, in full", function()
      for name, want in pairs { none = { 404, "NOTFOUND" }, bad = { 502, "GETTER" },
        large = { 413, "TOOBIG" } } do
        local key = rig.owned_by(urls, urls[2], name, dialect)
        local res = assert(nodes[1]:get("g", key))
        assert.equal(want[1], res.status)
        assert.matches('"code":"' .. want[2] .. '"', res.body, 1, true)
        assert.equal(1, r:calls()[key])
      end
    end)

    it("hand over a value of megabytes", function()
      local key = rig.owned_by(urls, urls[2], "big", dialect)
      local res = assert(nodes[1]:get("g", key))
      assert.equal("peer", res.headers["x-cache"])
      assert.is_true(res.body == ("0123456789"):rep(700000))
    end)

    it("tell each other when a value ends", function()
      local key = rig.owned_by(urls, urls[2], "brief", dialect)
      assert.equal("peer", assert(nodes[1]:get("g", key)).headers["x-cache"])
      local res = assert(nodes[1]:request { target = "/_groupcache/g/" .. http.escape(key) })
      local left = tonumber(res.headers["x-groupcache-ttl"])
      assert(left > 50000 and left <= 60000, left)
    end)
  end)
end

describe("the setting hash", function()
  for dialect, hash in pairs {
    golang = "fnv1a-32", mailgun = "fnv1a-64", modernprogram = "crc32",
  } do
    it(("makes the ring of another one: %s in %s"):format(hash, dialect), function()
      local r = rig.new()
      local nodes = node.cluster(2, { script = r:script(SCRIPT),
        args = { "--dialect", dialect, "--hash", hash } })
      local urls, differ = { nodes[1].url, nodes[2].url }, 0
      for i = 1, 60 do
        local key = ("%d:key"):format(i)
        local owner = rig.owner(urls, key, dialect, hash)
        differ = differ + (owner == rig.owner(urls, key, dialect) and 0 or 1)
        local res = assert(nodes[1]:get("g", key))
        assert.equal(owner == nodes[1].url and "local" or "peer", res.headers["x-cache"], key)
      end
      assert.is_true(differ > 0)
      rig.stop_all(nodes)
    end)
  end
end)

describe("a ring that is out of balance", function()
  -- Three nodes, one of which runs: keys of the others are loaded there as well.
  local function warnings(dialect, key_of)
    local r = rig.new()
    local port = ports.free()
    local peers = { "http://127.0.0.1:" .. port, "http://127.0.0.1:2", "http://127.0.0.1:3" }
    local n = start(r, dialect, { port = port, peers = peers })
    local requests = {}
    for i = 1, 2500 do
      requests[i] = { port = port, target = "/cache/g/" .. key_of(i) }
    end
    for _, res in ipairs(http.parallel(requests, 8)) do
      assert.equal(200, res.status)
    end
    local lines = {}
    for line in n:log():gmatch "[^\n]*out of balance[^\n]*" do
      lines[#lines + 1] = line
    end
    rig.stop(n)
    return lines, peers
  end

  -- Consecutive numbers, which FNV-1 puts next to each other.
  local function number(i)
    return "user:10" .. 1000 + i
  end

  it("is told once, from the keys that are really asked for", function()
    local lines, peers = warnings("mailgun", number)
    assert.equal(1, #lines)
    local peer, share = lines[1]:match(
      " level=warn mod=peers .* peer=(%S+) share=(%S+) keys=1%d%d%d ")
    assert.is_true(peer == peers[1] or peer == peers[2] or peer == peers[3])
    assert.is_true(tonumber(share) > 0.5)
    assert.matches("dialect=mailgun hash=fnv1-64", lines[1], 1, true)
  end)

  it("is absent with the same keys in golang", function()
    assert.same({}, (warnings("golang", number)))
  end)

  it("is absent in mailgun when the keys differ in all bytes", function()
    assert.same({}, (warnings("mailgun", function(i)
      return ("id:%08x-%04x"):format(i * 2654435761 % 2 ^ 32, i * 40503 % 2 ^ 16)
    end)))
  end)
end)
