-- SPDX-License-Identifier: MIT

-- A head with 5 KB of small cookies was refused, since libmicrohttpd keeps a record for each, and
-- memory for more would have cost every small request. Now its connection moves to where there is
-- memory, on whichever request and in however many pieces it comes.

local answer = require "support.answer"
local cjson = require "cjson"
local eventually = require "support.eventually"
local lfs = require "lfs"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { writable = true, getter = function(key) return "v:" .. key end })
groupcache.group("near", { writable = { networks = { "127.0.0.1" } }, getter = print })
groupcache.group("seen", { pass_headers = { "Cookie", "X-Last" }, getter = function(_, ctx)
  return ctx.headers.cookie .. "|" .. ctx.headers["x-last"]
end })
]]

local function cookies(bytes)
  return "Cookie: " .. ("c=" .. ("v"):rep(36) .. "; "):rep(math.floor(bytes / 40)) .. "\r\n"
end

local function fill(bytes) -- in lines of 100 bytes
  return ("X-Line: " .. ("x"):rep(90) .. "\r\n"):rep(math.floor(bytes / 100))
end

local HEADS = {
  ["cookies of 8 KB"] = cookies(8160),
  ["a header of 8 KB"] = "X-Large: " .. ("x"):rep(8180) .. "\r\n",
  ["four headers of 8 KB"] = ("X-Large: " .. ("x"):rep(8000) .. "\r\n"):rep(4),
  ["32 KB in lines of 100 bytes"] = fill(32000),
  ["cookies of 8 KB and 20 KB of lines"] = cookies(8160) .. fill(20000),
}

local TOO_LARGE = {
  ["a header of 10 KB"] = "X-Large: " .. ("x"):rep(10000) .. "\r\n",
  ["a header of 100 KB"] = "X-Large: " .. ("x"):rep(100000) .. "\r\n",
  ["50 KB in lines of 100 bytes"] = fill(50000),
  ["lines without end"] = fill(300000),
}

describe("a request with", function()
  local n

  setup(function()
    n = node.start { script = SCRIPT, args = { "--http-threads", 1, "--log-level", "debug" } }
  end)

  teardown(function()
    rig.stop(n)
  end)

  local function get(key, more)
    return ("GET /cache/g/%s HTTP/1.1\r\nHost: x\r\n%s\r\n"):format(key, more or "")
  end

  local function refusals()
    return select(2, n:log():gsub("status=431", ""))
  end

  local function wants(sock, status, body)
    local got, _, text = answer(sock)
    assert.same({ status, body }, { got, text })
  end

  for what, more in pairs(HEADS) do
    describe(what, function()
      it("is served, as the first of its connection and as a later one", function()
        local sock = n:connect()
        for i, head in ipairs { more, "", more, more, "", "" } do
          sock:send(get("k" .. i, head))
          wants(sock, 200, "v:k" .. i)
        end
        sock:close()
        sock = n:connect()
        sock:send(get "small")
        wants(sock, 200, "v:small")
        sock:send(get("large", more) .. get "behind" .. get("again", more))
        for _, key in ipairs { "large", "behind", "again" } do
          wants(sock, 200, "v:" .. key)
        end
        sock:close()
      end)

      it("is served in pieces, while others are under way", function()
        local bytes, socks = get("pieces", more), {}
        for i = 1, 5 do
          socks[i] = n:connect()
        end
        for at = 1, #bytes, 700 do
          for i, sock in ipairs(socks) do
            sock:send(bytes:sub(at, at + 699))
            if i == 3 then -- what was sent is read before more comes
              assert(n:request { target = "/healthz" })
            end
          end
        end
        for _, sock in ipairs(socks) do
          wants(sock, 200, "v:pieces")
          sock:send(get "next")
          wants(sock, 200, "v:next")
          sock:close()
        end
      end)

      for name, body in pairs {
        ["with a length"] = "Content-Length: 5\r\n%s\r\nvalue",
        ["in chunks"] = "Transfer-Encoding: chunked\r\n%s\r\n5\r\nvalue\r\n0\r\n\r\n",
        ["that is waited for"] = "Expect: 100-continue\r\nContent-Length: 5\r\n%s\r\n\0value",
      } do
        it("sets a value " .. name, function()
          local sock, key = n:connect(), "set" .. #more .. #name
          local head, rest = (("PUT /cache/g/%s HTTP/1.1\r\nHost: x\r\n" .. body)
            :format(key, more)):match "^(%Z*)%z?(.*)$"
          sock:send(head)
          if rest ~= "" then
            wants(sock, 100, nil)
            sock:send(rest)
          end
          assert.equal(204, (answer(sock)))
          sock:close()
          assert.equal("value", assert(n:get("g", key)).body)
        end)
      end
    end)
  end

  for what, more in pairs(TOO_LARGE) do
    for _, how in ipairs { "at once", "in pieces" } do
      it(("%s, %s, is told so, in the log too"):format(what, how), function()
        local before = refusals()
        local sock, bytes = n:connect(), get("too-large", more)
        for at = 1, #bytes, how == "at once" and #bytes or 1000 do
          if not sock:send(bytes:sub(at, at + (how == "at once" and #bytes or 1000) - 1)) then
            break
          end
        end
        local status, headers, body = answer(sock)
        assert.same({ 431, "close" }, { status, headers.connection })
        assert.equal("TOOBIG", cjson.decode(body).code)
        assert.is_nil((sock:receive(1)))
        sock:close()
        eventually(function() return refusals() > before end, 5, "a line")
      end)
    end
  end

  for what, more in pairs(TOO_LARGE) do
    it(what .. " is told so behind a large one, too", function()
      local sock = n:connect()
      sock:send(get("large", HEADS["four headers of 8 KB"]))
      wants(sock, 200, "v:large")
      sock:send(get("too-large", more))
      local status, headers = answer(sock)
      assert.same({ 431, "close" }, { status, headers.connection })
      sock:close()
    end)
  end

  it("a large head reaches the getter, byte for byte, with its client's address", function()
    local sock, value = n:connect(), cookies(8000):match "^Cookie: (.-) ?\r\n$"
    sock:send(("GET /cache/seen/k HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n%sX-Last: a  b:\r\n\r\n")
      :format(value, fill(9000)))
    wants(sock, 200, value .. "|a  b:")
    sock:send(("PUT /cache/near/k HTTP/1.1\r\nHost: x\r\n%sContent-Length: 1\r\n\r\nv")
      :format(fill(9000)))
    assert.equal(204, (answer(sock)))
    sock:close()
  end)

  it("a small head in two pieces is served, at each place of the cut", function()
    local bytes = get("cut", "X-Any: a\r\nX-Empty:\r\nX-Colons: a:b::\r\n")
    for at = 1, #bytes - 1 do
      local sock = n:connect()
      sock:send(bytes:sub(1, at))
      assert(n:request { target = "/healthz" })
      sock:send(bytes:sub(at + 1))
      wants(sock, 200, "v:cut")
      sock:close()
    end
  end)

  it("a large head is served over a UNIX socket, too", function()
    local path = tmp.dir() .. "/socket"
    local listener = node.start { script = SCRIPT, args = { "--admin-listen", "unix:" .. path } }
    for _, target in ipairs { "/stats", "/readyz" } do
      local out = process.run { "curl", "-sS", "--unix-socket", path, "http://x" .. target, "-H",
        "Cookie: " .. ("c=ddddddd; "):rep(600), "-w", "%{http_code}" }
      assert.matches("200$", out.stdout, out.stderr)
    end
    rig.stop(listener)
  end)

  it("and then all connections have left no descriptor behind", function()
    local function descriptors()
      local count = 0
      for _ in lfs.dir("/proc/" .. n.process.pid .. "/fd") do
        count = count + 1
      end
      return count
    end
    local before
    eventually(function()
      local now = descriptors()
      local same = now == before
      before = now
      return same
    end, 5, "the number is steady")
    for _ = 1, 30 do
      local sock = n:connect()
      sock:send(get("large", HEADS["cookies of 8 KB"]))
      wants(sock, 200, "v:large")
      sock:close()
      sock = n:connect()
      sock:send "GET /cache/g/half HTTP/1.1\r\nHo"
      assert(n:request { target = "/healthz" })
      sock:close()
    end
    eventually(function() return descriptors() <= before end, 5, "descriptors are closed")
  end)
end)
