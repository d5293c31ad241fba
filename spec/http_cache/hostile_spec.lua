-- SPDX-License-Identifier: MIT

-- An HTTP cache before origins that lie or break off, and behind clients that try its bounds. What
-- cannot be trusted is a failure and is never kept, and the next request finds the node as it was.

local eventually = require "support.eventually"
local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

-- Answers with the bytes that the request's headers have, percent-encoded: X-Before, X-Times times
-- X-Piece, X-Answer. Then it closes the connection if X-Close is there.
local ORIGIN = [[
return function(request, c)
  local function text(name)
    return (request.headers[name] or ""):gsub("%%(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end)
  end
  local times = tonumber(request.headers["x-times"] or 0)
  c:send(text "x-before" .. text "x-piece":rep(times) .. text "x-answer")
  if request.headers["x-close"] then c:close() end
end
]]

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("site", groupcache.http.cache(os.getenv "ORIGIN", {
  max_value_bytes = "1MB", keep = 0, timeout = 3 }))
]]

local FRESH = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n"

local function encoded(text)
  return (text:gsub("[^%w/.:=-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

describe("an HTTP cache before a hostile origin", function()
  local origin, n, paths

  before_each(function()
    origin, paths = fake.start(ORIGIN), 0
    n = node.start { script = SCRIPT, env = { ORIGIN = origin.url } }
  end)

  after_each(function()
    rig.stop_all { n }
    origin:stop()
  end)

  local function ask(path, answer, more)
    local headers = { ["X-Answer"] = encoded(answer) }
    for name, value in pairs(more or {}) do
      headers[name] = value
    end
    return assert(n:request { target = "/cache/site" .. path, headers = headers, timeout = 10 })
  end

  local function new_path()
    paths = paths + 1
    return "/path" .. paths
  end

  local function seen()
    return #origin:requests()
  end

  -- The answer is a failure each time, and no word of it comes to the next client.
  local function refused(answer, more, status)
    local path, before = new_path(), seen()
    for _ = 1, 2 do
      local res = ask(path, answer, more)
      assert.equal(status or 502, res.status, answer)
      assert.is_nil(res.body:find("secret", 1, true), answer)
    end
    assert.is_true(seen() >= before + 2, answer)
    local res = ask(path, FRESH .. "Content-Length: 4\r\n\r\ngood")
    assert.same({ 200, "good" }, { res.status, res.body }, answer)
  end

  -- The answer comes, is kept, and comes again.
  local function kept(answer, more, body)
    local path, before = new_path(), seen()
    for _ = 1, 2 do
      local res = ask(path, answer, more)
      assert.same({ 200, body }, { res.status, res.body }, answer)
    end
    assert.equal(before + 1, seen(), answer)
  end

  local CLOSE = { ["X-Close"] = "1" }

  it("keeps no body that was cut off", function()
    refused(FRESH .. "Content-Length: 100\r\n\r\nsecret", CLOSE)
    refused(FRESH .. "Transfer-Encoding: chunked\r\n\r\n6\r\nsecret\r\n", CLOSE)
    refused(FRESH .. "Transfer-Encoding: chunked\r\n\r\n64\r\nsecret", CLOSE)
    refused(FRESH .. "Content-Length: 100\r\n", CLOSE) -- within its head
  end)

  it("waits no longer for the rest of a body than its timeout", function()
    refused(FRESH .. "Content-Length: 100\r\n\r\nsecret", nil, 504)
  end)

  it("believes no length that can be read in two ways", function()
    for _, lines in ipairs { "Content-Length: 6\r\nContent-Length: 5\r\n",
      "Content-Length: 6, 5\r\n", "Content-Length: -6\r\n",
      "Content-Length: +6\r\n", "Content-Length: 0x6\r\n",
      "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: chunked, any\r\n" } do
      refused(FRESH .. lines .. "\r\nsecret", CLOSE)
    end
    for _, length in ipairs { "9999999", "99999999999999999999999" } do
      refused(FRESH .. "Content-Length: " .. length .. "\r\n\r\nsecret", CLOSE, 413)
    end
  end)

  it("gives no byte behind an answer to the next request", function()
    for _, length in ipairs { "Content-Length: 4\r\n\r\ngood", "Content-Length: 0\r\n\r\n",
      "Transfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n" } do
      kept(FRESH .. length .. "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret", nil,
        length:match "good" or "")
      local res = ask(new_path(), FRESH .. "Content-Length: 5\r\n\r\nother")
      assert.same({ 200, "other" }, { res.status, res.body })
    end
  end)

  it("takes no head that is none", function()
    for _, head in ipairs { "HTTP/2 200 OK\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/1.1 099 OK\r\n",
      "HTTP/1.1 101 OK\r\n", "ICY 200 OK\r\n", FRESH .. "no colon\r\n",
      FRESH .. "sp ace: a\r\n", FRESH .. "X: a\0b\r\n", FRESH .. ": a\r\n" } do
      refused(head .. "Content-Length: 6\r\n\r\nsecret", CLOSE)
    end
  end)

  it("takes no folded line, or one that libcurl has joined", function() -- it does from 8.18 on
    local res = ask(new_path(), FRESH .. " folded: a\r\nContent-Length: 4\r\n\r\npage", CLOSE)
    if res.status ~= 502 then
      assert.same({ 200, "page" }, { res.status, res.body })
      assert.matches("^max%-age=600%s+folded: a$", res.headers["cache-control"])
      assert.is_nil(res.headers.folded)
    end
  end)

  it("takes no flood of interim answers, and no endless head", function()
    local flood = { ["X-Times"] = "5000", ["X-Piece"] = encoded "HTTP/1.1 102 P\r\n\r\n" }
    refused(FRESH .. "Content-Length: 6\r\n\r\nsecret", flood)
    flood["X-Piece"] = encoded("HTTP/1.1 103 E\r\nLink: " .. ("x"):rep(1000) .. "\r\n\r\n")
    refused(FRESH .. "Content-Length: 6\r\n\r\nsecret", flood)
    local long = ("X: %s\r\n"):format(("x"):rep(500))
    for times, piece in pairs { [1100] = "X: a\r\n", [600] = long } do
      refused("Content-Length: 6\r\n\r\nsecret", { ["X-Before"] = encoded(FRESH),
        ["X-Times"] = tostring(times), ["X-Piece"] = encoded(piece) })
    end
  end)

  it("keeps what is odd and whole: a large header, an empty body, an answer of HTTP/1.0", function()
    kept("\r\nContent-Length: 4\r\n\r\ngood", { ["X-Before"] = encoded(FRESH .. "X-Large: "),
      ["X-Times"] = "8000", ["X-Piece"] = "x" }, "good")
    kept("\r\nContent-Length: 4\r\n\r\ngood", { ["X-Before"] = encoded(FRESH .. "Vary: Cookie"),
      ["X-Times"] = "400", ["X-Piece"] = encoded ", Another-Name" }, "good")
    kept(FRESH .. "Content-Length: 0\r\n\r\n", nil, "")
    kept(FRESH .. "Content-Length: 4\r\nContent-Length: 4\r\n\r\ngood", nil, "good")
    kept("HTTP/1.0 200 OK\r\nCache-Control: max-age=600\r\n\r\ngood", CLOSE, "good")
    kept(FRESH .. "\r\ngood", CLOSE, "good")
  end)

  it("says of a head that is too large to be given that it is the answer's", function()
    refused("\r\nContent-Length: 6\r\n\r\nsecret", { ["X-Times"] = "99000", ["X-Piece"] = "x",
      ["X-Before"] = encoded "HTTP/1.1 200 OK\r\nX-Large: " })
  end)

  it("takes a 304 for a failure where it has asked without a condition", function()
    refused('HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=600\r\nETag: "a"\r\n\r\n')
    refused('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', { ["If-None-Match"] = '"a"' })
  end)

  -- Each answer is the page, a part of it, or says why not.
  local function fair(res, what)
    assert(res.status == 200 and res.body == "0123456789"
      or res.status == 206 and ("0123456789"):find(res.body, 1, true)
      or res.status == 304 and res.body == "" or res.status == 416, ("%s: %d %q"):format(what,
      res.status, res.body))
  end

  it("gives clients with odd wishes the page, a part of it, or a reason", function()
    local path = new_path()
    local page = FRESH .. 'ETag: "a"\r\nContent-Length: 10\r\n\r\n0123456789'
    fair(ask(path, page), "a plain request")
    local wishes = {
      Range = { "bytes=abc", "bytes=5-2", "bytes=-0", "bytes=99999999999999999999-", "bytes=",
        "bytes=-99999999999999999999", "bytes=0-0,2-2", "octets=0-1",
        "bytes=0-99999999999999999999",
        "bytes=" .. ("0-1,"):rep(1000) .. "0-1", "bytes = 0-1", "0-1" },
      ["If-None-Match"] = { '"', '"a', "*", ('"b", '):rep(1000) .. '"a"', ",,,", "W/", 'W/"' },
      ["If-Modified-Since"] = { "never", "Thu, 99 Jan 2015 99:99:99 GMT", ("9"):rep(4000) },
      ["If-Range"] = { '"', "W/", "never" },
      ["Cache-Control"] = { "max-age=-1", "max-age=99999999999999999999", 'no-cache="',
        "max-stale=", "min-fresh=99999999999999999999", ("a,"):rep(2000), 'x="\\' },
      Pragma = { "no-cache, no-cache" },
      ["X-Groupcache-Request"] = { "GET 0123456789abcdef%0A" },
      ["X-Groupcache-Keyed"] = { "a" },
      Vary = { "*" }, Age = { "99999" }, Connection = { "x-answer, cache-control, range" },
    }
    for name, values in pairs(wishes) do
      for _, value in ipairs(values) do
        local more = { [name] = value }
        more.Range = more.Range or name == "If-Range" and "bytes=0-1" or nil
        local res = ask(path, page, more)
        if name ~= "Connection" then -- which takes the page from the origin
          fair(res, name .. ": " .. value)
        end
      end
    end
    fair(ask(path, page), "a plain request")
  end)

  it("serves others if a client leaves while its answer is on the way", function()
    local c = assert(http.connect(n.host, n.port, 10))
    c.sock:send("GET /cache/site/left HTTP/1.1\r\nHost: a\r\nX-Answer: "
      .. encoded(FRESH .. "Content-Length: 4\r\n\r\ngo") .. "\r\n\r\n")
    eventually(function() return seen() == 1 end, 10, "the origin is asked")
    c:close()
    kept(FRESH .. "Content-Length: 4\r\n\r\ngood", nil, "good")
  end)
end)
