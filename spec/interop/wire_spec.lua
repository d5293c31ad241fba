-- SPDX-License-Identifier: MIT

-- What a peer is told, byte for byte: the same raw request to a Go node and to one of ours.
--
-- Each case states the answer in full, and both nodes are held to it: status line, body, and every
-- header by its exact name and value. The order of headers is free, and these may differ:
--
--   Date                                  taken out; net/http's own 400 has none, ours has
--   Content-Length, Transfer-Encoding     Go sends a body over 2,048 bytes in chunks, and gives
--                                         net/http's own 400 no length; ours always tells it
--   X-Groupcache-*                        ours only, Go's clients ignore them

local golang = require "interop.golang"
local http = require "support.http"
local nodes = require "interop.nodes"

local BASE = "/_groupcache/"

-- A GetResponse of golang/groupcache with this value.
local function message(value)
  local length, n = {}, #value
  while n >= 128 do
    length[#length + 1] = string.char(n % 128 + 128)
    n = math.floor(n / 128)
  end
  return "\10" .. table.concat(length) .. string.char(n) .. value
end

local function big(n)
  return ("0123456789abcdef"):rep(n / 16 + 1):sub(1, n)
end

local REASONS = {
  [200] = "OK", [400] = "Bad Request", [404] = "Not Found", [500] = "Internal Server Error",
}

-- Three kinds of answers: a value; an error of groupcache's handler; net/http's own 400, which is
-- given before there is a handler (no newline, no nosniff, and the connection ends).
local function value(v)
  return { status = 200, body = message(v), headers = { "Content-Type: application/x-protobuf" } }
end

local function failure(status, text)
  return { status = status, body = text .. "\n", headers = {
    "Content-Type: text/plain; charset=utf-8", "X-Content-Type-Options: nosniff",
  } }
end

local bad_target = { status = 400, body = "400 Bad Request", headers = {
  "Connection: close", "Content-Type: text/plain; charset=utf-8",
} }

-- { name, target behind the base path, answer, method if not GET }
local SAME = {
  { "a plain key", "interop/plain", value "v:plain" },
  { "a key of the unescaped bytes", "interop/A-z_0.9~", value "v:A-z_0.9~" },
  { "bytes that need no escape but may have one", "interop/%41%2d%7E", value "v:A-~" },
  { "lower-case escapes", "interop/%e2%82%ac", value "v:\226\130\172" },
  { "a space as %20", "interop/a%20b", value "v:a b" },
  { "a plus as %2B", "interop/a%2Bb", value "v:a+b" },
  { "an escaped percent", "interop/a%252Fb", value "v:a%2Fb" },
  { "NUL and 0xff", "interop/%00%FF", value "v:\0\255" },
  { "a line end", "interop/a%0D%0Ab", value "v:a\r\nb" },
  { "a raw byte beyond ASCII", "interop/\195\169", value "v:\195\169" },
  { "the bytes a path may hold", "interop/a!$&'()*,;=:@b", value "v:a!$&'()*,;=:@b" },
  { "the empty key", "interop/", value "v:" },
  { "a dot", "interop/.", value "v:." },
  { "two dots", "interop/..", value "v:.." },
  { "two dots, escaped", "interop/%2E%2E", value "v:.." },
  { "dots inside", "interop/a/../b/./c", value "v:a/../b/./c" },
  { "a slash", "interop//", value "v:/" },
  { "two slashes", "interop///", value "v://" },
  { "two slashes, escaped", "interop/%2F%2F", value "v://" },
  { "slashes inside", "interop/a//b/", value "v:a//b/" },
  { "an escaped question mark", "interop/a%3Fx", value "v:a?x" },
  { "an escaped group", "%69nterop/k", value "v:k" },
  { "a key of 2 KiB", "interop/" .. ("%00"):rep(2048), value("v:" .. ("\0"):rep(2048)) },

  { "an empty value", "interop/empty:", value "" },
  { "a message of 2,047 bytes", "interop/big:2044", value(big(2044)) },
  { "a message of 2,048 bytes", "interop/big:2045", value(big(2045)) },
  { "a message of 2,049 bytes", "interop/big:2046", value(big(2046)) },
  { "a value of 1 MiB", "interop/big:1048576", value(big(1048576)) },

  { "HEAD", "interop/plain", value "v:plain", "HEAD" },
  { "DELETE, served as GET", "interop/plain", value "v:plain", "DELETE" },
  { "PUT without a body, served as GET", "interop/plain", value "v:plain", "PUT" },
  { "POST without a body, served as GET", "interop/plain", value "v:plain", "POST" },

  { "a getter's error", "interop/err:1", failure(500, "getter failed: err:1") },
  { "a getter's error in UTF-8", "interop/err:%C3%A9%3C%26%22",
    failure(500, 'getter failed: err:\195\169<&"') },
  { "a getter's error of several lines", "interop/err:a%0Ab%0A",
    failure(500, "getter failed: err:a\nb\n") },
  { "a getter's error of invalid UTF-8", "interop/err:%FF",
    failure(500, "getter failed: err:\255") },
  { "HEAD of a getter's error", "interop/err:1", failure(500, "getter failed: err:1"), "HEAD" },

  { "an unknown group", "nope/k", failure(404, "no such group: nope") },
  { "an unknown group, escaped", "no%20p%C3%A9/k", failure(404, "no such group: no p\195\169") },
  { "a group of markup", "%3Cb%3E/k", failure(404, "no such group: <b>") },
  { "an unknown group and the empty key", "nope/", failure(404, "no such group: nope") },
  { "the empty group", "/k", failure(404, "no such group: ") },
  { "groups in other letters", "Interop/k", failure(404, "no such group: Interop") },
  { "DELETE in an unknown group", "nope/k", failure(404, "no such group: nope"), "DELETE" },

  { "a group alone", "interop", failure(400, "bad request") },
  { "nothing behind the base path", "", failure(400, "bad request") },

  { "a bad escape", "interop/%zz", bad_target },
  { "half an escape", "interop/a%4", bad_target },
  { "a percent sign alone", "interop/%", bad_target },
  { "a bad escape in the group", "%zz/k", bad_target },
  { "a bad escape, no key", "%zz", bad_target },
  { "a raw control byte", "interop/a\1b", bad_target },
  { "a raw DEL", "interop/a\127b", bad_target },
}

-- { name, target, Go's answer, ours }
local DIFFERENT = {
  -- Go's clients write a space as "+" and a plus as %2B, so to us a raw plus is a space.
  { "a raw plus", "interop/a+b", value "v:a+b", value "v:a b" },
  -- Go decodes first and splits at the first slash it then sees, ours splits first.
  { "a slash in the group's name", "in%2Fterop/k", failure(404, "no such group: in"),
    failure(404, "no such group: in/terop") },
  { "an escaped slash behind the group", "interop%2Fk", value "v:k", failure(400, "bad request") },
}


-- Without what may differ; sorted, "Name: value" each.
local function headers_of(res)
  local list = {}
  for _, header in ipairs(res.raw_headers) do
    local name, text = header[1], header[2]
    local free = name == "Date" or name == "Content-Length" or name == "Transfer-Encoding"
      or name:find "^X%-Groupcache%-"
    if not free then
      list[#list + 1] = name .. ": " .. text
    end
  end
  table.sort(list)
  return table.concat(list, "\n")
end

-- Long bodies and NULs would drown the message.
local function shown(text)
  return ("%q"):format(#text > 300 and text:sub(1, 300) .. "..." or text)
end

local function check(n, target, want, method)
  local res, err = http.request { port = n.port, target = BASE .. target, method = method }
  assert(res, ("%s: %s"):format(n.kind, tostring(err)))
  local line = ("HTTP/%s %d %s"):format(res.version, res.status, res.reason)
  assert.equal(("%s: HTTP/1.1 %d %s"):format(n.kind, want.status, REASONS[want.status]),
    n.kind .. ": " .. line)
  assert.equal(n.kind .. ":\n" .. table.concat(want.headers, "\n"),
    n.kind .. ":\n" .. headers_of(res))
  local body = method == "HEAD" and "" or want.body
  if res.body ~= body then
    error(("%s: body %s, not %s"):format(n.kind, shown(res.body), shown(body)), 2)
  end
end

describe("on the wire", function()
  local go, c

  lazy_setup(function()
    go = golang.start()
    c = nodes.start()
  end)

  lazy_teardown(function()
    nodes.stop { go, c }
  end)

  describe("a Go node and ours say the same to", function()
    for _, case in ipairs(SAME) do
      it(case[1], function()
        check(go, case[2], case[3], case[4])
        check(c, case[2], case[3], case[4])
      end)
    end
  end)

  describe("a Go node and ours differ on purpose for", function()
    for _, case in ipairs(DIFFERENT) do
      it(case[1], function()
        check(go, case[2], case[3])
        check(c, case[2], case[4])
      end)
    end

    -- Go ignores it, so that targets which differ in it are one key. No client of Go's sends one.
    it("a query, which ours refuses with the way to write it", function()
      for target, status in pairs { ["interop/a?x=y"] = 200, ["interop/a?x=%zz"] = 200,
        ["?a/b"] = 400 } do
        local gos = assert(http.request { port = go.port, target = BASE .. target })
        assert.equal(status, gos.status)
        local res = assert(http.request { port = c.port, target = BASE .. target })
        assert.equal(400, res.status)
        assert.matches("%3F", res.body, 1, true)
      end
    end)

    it("a path that is not the peers'", function()
      -- Go's handler panics, and the connection ends without an answer.
      for _, target in ipairs { "/other", "/other/a/b", "/_groupcache" } do
        local res, err = http.request { port = go.port, target = target }
        assert.is_nil(res)
        assert.equal("closed", err)
        assert.equal(404, assert(http.request { port = c.port, target = target }).status)
      end
    end)

    it("a raw space, which ends the connection, at ours perhaps without a word", function()
      check(go, "interop/a b", bad_target)
      local res, err = http.request { port = c.port, target = BASE .. "interop/a b" }
      assert(res and res.status == 400 and not res.keep_alive or err == "closed")
    end)

    it("an error's text that is long or holds a NUL, of which ours tells a beginning", function()
      for _, tail in ipairs { ("x"):rep(1000), "a\0b" } do
        local target = BASE .. "interop/" .. http.escape("err:" .. tail)
        local theirs = assert(http.request { port = go.port, target = target })
        local ours = assert(http.request { port = c.port, target = target })
        assert.equal("getter failed: err:" .. tail .. "\n", theirs.body)
        assert.equal(theirs.status, ours.status)
        local text = ours.body:match "^(.*)\n$"
        assert.equal(theirs.body:sub(1, #text), text)
        assert.is_truthy(text:find("getter failed: err:", 1, true))
      end
    end)

    it("a request with a body, which Go ignores and ours refuses", function()
      local request = { method = "POST", target = BASE .. "interop/k", body = "x" }
      request.port = go.port
      local res = assert(http.request(request))
      assert.equal(200, res.status)
      request.port = c.port
      res = assert(http.request(request))
      assert.equal(400, res.status)
      assert.is_false(res.keep_alive)
    end)
  end)

  it("tells a long body's end as it says above", function()
    for n, framing in pairs { [2045] = "content-length", [2046] = "transfer-encoding" } do
      local request = { target = ("%sinterop/big:%d"):format(BASE, n) }
      request.port = go.port
      assert.is_string(assert(http.request(request)).headers[framing])
      request.port = c.port
      assert.is_string(assert(http.request(request)).headers["content-length"])
    end
  end)

  it("keeps the connection after every answer of the handler", function()
    for _, n in ipairs { go, c } do
      local conn = assert(http.connect("127.0.0.1", n.port))
      for _, target in ipairs { "interop/k", "nope/k", "interop", "interop/err:1", "interop/k" } do
        local res = assert(conn:request { target = BASE .. target })
        assert.is_true(res.keep_alive)
      end
      conn:close()
    end
  end)
end)
