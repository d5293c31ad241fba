-- SPDX-License-Identifier: MIT

-- A request with a head over 4 KB, or cookies over 2 KB, moves to a connection with more memory.
-- A request that came in the same packet behind it, or behind its body, was lost. Its client waited
-- for ever.

local answer = require "support.answer"
local node = require "support.node"
local rig = require "node.rig"
local sorted = require "groupcache.sorted"
local versions = require "support.versions"

local SIZES = { 400, 2500, 3900, 4090, 4096, 4097, 4200, 4500, 4900, 5110, 5121, 6000, 8190, 8193,
  9000, 16380, 16390, 25000, 32000 }

local BEHIND = "GET /cache/g/behind HTTP/1.1\r\nHost: x\r\n\r\n"

local MANY_PARTS = BEHIND:sub(1, -3) .. "Cookie: " .. ("a=b; "):rep(600) .. "\r\n\r\n"

local function lines(bytes) -- in lines of 100 bytes
  return ("X-Line: " .. ("x"):rep(90) .. "\r\n"):rep(math.floor(bytes / 100))
    .. "X-Rest: " .. ("x"):rep(bytes % 100) .. "\r\n"
end

-- Of a request, by what it has beside its first line, its Host and the given headers.
local KINDS = {
  ["a get"] = { "GET /cache/g/a HTTP/1.1", "\r\n", 200 },
  ["a set"] = { "PUT /cache/g/set HTTP/1.1", "Content-Length: 3\r\n\r\na\0b", 204 },
  ["an empty set"] = { "PUT /cache/g/set HTTP/1.1", "Content-Length: 0\r\n\r\n", 204 },
  ["a set that ends in zeros"] = { "PUT /cache/g/set HTTP/1.1",
    "Content-Length: 300\r\n\r\n" .. ("\0"):rep(300), 204 },
  ["a removal"] = { "DELETE /cache/g/a HTTP/1.1", "\r\n", 204 },
}

describe("a request behind one with a large head", function()
  local n

  setup(function()
    n = node.start { args = { "--http-threads", 1 }, script = [[
      require("groupcache").group("g", { writable = true,
        getter = function(key) return "v:" .. key end })
    ]] }
  end)

  teardown(function() rig.stop(n) end)

  local function request(kind, headers)
    return kind[1] .. "\r\nHost: x\r\n" .. headers .. kind[2]
  end

  local function check(bytes, statuses, what)
    local sock = n:connect()
    sock:send(bytes)
    for i, wanted in ipairs(statuses) do
      local status, why, body = answer(sock)
      assert.equal(wanted, status or why, ("%s: answer %d"):format(what, i))
      if i == #statuses then
        assert.equal("v:behind", body, what)
      end
    end
    sock:close()
  end

  for _, name in ipairs(sorted(KINDS)) do
    local kind = KINDS[name]

    it("is answered, of whichever size that is: " .. name, function()
      for _, size in ipairs(SIZES) do
        local first = request(kind, lines(size))
        check(first .. BEHIND, { kind[3], 200 }, size)
        check(BEHIND .. first .. first .. BEHIND .. BEHIND,
          { 200, kind[3], kind[3], 200, 200 }, size .. " and others")
      end
    end)

    it("is answered if that has cookies of 2 KB and more: " .. name, function()
      for size = 1900, 4900, 250 do
        check(request(kind, "Cookie: a=" .. ("c"):rep(size) .. "\r\n") .. BEHIND, { kind[3], 200 },
          size)
      end
    end)
  end

  it("is answered if a set is behind one, and a get behind that", function()
    for _, size in ipairs(SIZES) do
      check(request(KINDS["a get"], lines(size)) .. request(KINDS["a set"], lines(4500))
        .. request(KINDS["a set that ends in zeros"], "") .. BEHIND, { 200, 204, 204, 200 }, size)
    end
  end)

  it("is answered wherever the bytes of both are cut in two", function()
    local bytes = request(KINDS["a set"], lines(4500)) .. BEHIND
    for at = 1, #bytes - 1 do
      local sock = n:connect()
      sock:send(bytes:sub(1, at))
      assert(n:request { target = "/healthz" }) -- what was sent is read before more comes
      sock:send(bytes:sub(at + 1))
      assert.equal(204, (answer(sock)), at)
      assert.equal(200, (answer(sock)), at)
      sock:close()
    end
  end)

  it("gets no answer behind a body in chunks, and the client is told that it gets none", function()
    for _, size in ipairs(SIZES) do
      local sock = n:connect()
      sock:send(request({ "PUT /cache/g/set HTTP/1.1",
        "Transfer-Encoding: chunked\r\n\r\n3\r\na\0b\r\n0\r\n\r\n" }, lines(size)) .. BEHIND)
      local status, headers = answer(sock)
      assert.same({ 204, "close" }, { status, headers.connection }, size)
      assert.is_nil((sock:receive(1)))
      sock:close()
    end
  end)

  it("gets no answer behind one that is refused", function()
    local refused = { [431] = lines(40000), [400] = lines(4500) .. "Bad Name: x\r\n" }
    for status, headers in pairs(refused) do
      local sock = n:connect()
      sock:send(request(KINDS["a get"], headers) .. BEHIND)
      local got, said = answer(sock)
      assert.same({ status, "close" }, { got, said.connection })
      assert.is_nil((sock:receive(1)))
      sock:close()
    end
  end)

  -- What libmicrohttpd 0.9 has read behind such a head cannot be had from it.
  it("is answered, or its client is told that it will not be, if nobody can say where it is",
    function()
      for what, head in pairs {
        ["cookies of many parts"] = MANY_PARTS,
        ["HTTP/1.0"] = "GET /cache/g/a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n"
          .. lines(4500) .. "\r\n",
        ["a set of HTTP/1.0"] = "PUT /cache/g/a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n"
          .. lines(4500) .. "Content-Length: 3\r\n\r\na\0b",
      } do
        local sock = n:connect()
        sock:send(head .. BEHIND)
        local status, headers = answer(sock)
        assert(status == 200 or status == 204, what .. ": " .. tostring(status))
        if headers.connection == "close" then
          assert.is_nil((sock:receive(1)), what)
        else
          assert.equal(200, (answer(sock)), what)
        end
        sock:close()
      end
      -- Without anything behind them they are kept.
      if not versions.at_least("libmicrohttpd", "1.0") then
        local sock = n:connect()
        for _ = 1, 3 do
          sock:send(MANY_PARTS)
          assert.equal(200, (answer(sock)))
        end
        sock:close()
      end
    end)
end)
