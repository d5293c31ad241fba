-- SPDX-License-Identifier: MIT

-- An origin that compresses whether asked or not: http gave its bytes as the page, and a client got
-- gzip without the header that says so. They are decoded, within max_bytes, or refused.

local fake = require "node.fake"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
local http = require "groupcache.http"

local function getter(decode, max_bytes)
  return function(url)
    local res, err, code = http.get(url, { decode = decode, max_bytes = max_bytes })
    if not res then return nil, err, code end
    return ("%s %s %s"):format(tostring(res.headers["content-encoding"]),
      tostring(res.headers["content-length"]), res.body), nil, 0
  end
end

groupcache.group("plain", { getter = getter() })
groupcache.group("raw", { getter = getter(false) })
groupcache.group("small", { getter = getter(true, 1000) })
]]

local function gzip(text)
  local path = tmp.dir() .. "/text"
  tmp.write(path, text)
  local r = process.run { "gzip", "-n9c", path }
  assert.equal(0, r.code, r.stderr)
  return r.stdout
end

-- What `brotli -c` or `zstd -c` make of a text.
local function pack(program, text)
  local path = tmp.dir() .. "/text"
  tmp.write(path, text)
  local r = process.run { program, "-c", path }
  assert.equal(0, r.code, r.stderr)
  return r.stdout
end

-- Deflate without compression, bare and with zlib's header and sum.
local function raw(text)
  local low, high = #text % 256, math.floor(#text / 256)
  return "\1" .. string.char(low, high, 255 - low, 255 - high) .. text
end

local function zlib(text)
  local a, b = 1, 0
  for i = 1, #text do
    a = (a + text:byte(i)) % 65521
    b = (b + a) % 65521
  end
  local high_b, high_a = math.floor(b / 256), math.floor(a / 256)
  return "\120\1" .. raw(text) .. string.char(high_b, b % 256, high_a, a % 256)
end

local PAGE = ("<h1>the page</h1>\n"):rep(2000)

describe("an answer that is compressed unasked", function()
  local origin, n, dir

  setup(function()
    dir = tmp.dir()
    origin = fake.start(([[
      return function(request, c)
        local f = assert(io.open(%q .. request.target, "rb"))
        local head, body = f:read "*l", f:read "*a"
        f:close()
        if head:find "chunked" then
          c:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n")
          for i = 1, #body do c:send("1\r\n" .. body:sub(i, i) .. "\r\n") end
          c:send "0\r\n\r\n"
        else
          c:send("HTTP/1.1 200 OK\r\nContent-Length: " .. #body .. "\r\n" .. head:gsub("|", "\r\n")
            .. "\r\n\r\n"
            .. (request.method == "HEAD" and "" or body))
        end
      end
    ]]):format(dir))
    n = node.start { script = SCRIPT }
  end)

  teardown(function()
    rig.stop(n)
    if origin then origin:stop() end
  end)

  local count = 0

  -- What the getter of the group makes of these bytes with this header line.
  local function get(group, header, body)
    count = count + 1
    tmp.write(dir .. "/" .. count, header .. "\n" .. body)
    local res = assert(n:get(group, origin.url .. "/" .. count, { timeout = 10 }))
    return res.body, res.status
  end

  it("is decoded, and comes without the headers about the bytes that were", function()
    local small = ("<h1>the page</h1>\n"):rep(100)
    for _, case in ipairs { { "gzip", gzip(small) }, { "GZip", gzip(small) },
      { "x-gzip", gzip(small) }, { "br", pack("brotli", small) }, { "zstd", pack("zstd", small) },
      { "zstd", pack("zstd", small:sub(1, 700)) .. pack("zstd", small:sub(701)) },
      { "deflate", zlib(small) }, { "deflate", raw(small) }, { "gzip", gzip(small:sub(1, 700))
        .. gzip(small:sub(701)) } } do
      local body = get("plain", "Content-Encoding: " .. case[1], case[2])
      assert.equal("nil nil " .. small, body, case[1])
    end
    assert.equal("nil nil " .. PAGE, (get("plain", "Content-Encoding: gzip", gzip(PAGE))))
    assert.equal("nil nil " .. PAGE, (get("plain", "chunked", gzip(PAGE))))
  end)

  it("is as it came when it is not compressed, or has no body", function()
    assert.equal("nil 4 page", (get("plain", "X-Odd: yes", "page")))
    assert.equal("identity 4 page", (get("plain", "Content-Encoding: identity", "page")))
    assert.equal("gzip 0 ", (get("plain", "Content-Encoding: gzip", "")))
  end)

  it("is as it came when the getter wants that", function()
    local bytes = gzip(PAGE)
    local body = get("raw", "Content-Encoding: gzip", bytes)
    assert.equal(("gzip %d %s"):format(#bytes, bytes), body)
    assert.equal("br 2 ab", (get("raw", "Content-Encoding: br", "ab")))
  end)

  it("is refused when it is cut short, broken, or in another coding", function()
    local bytes, brotli, zstd = gzip(PAGE), pack("brotli", PAGE), pack("zstd", PAGE)
    for i, case in ipairs { { "gzip", bytes:sub(1, #bytes / 2), "cut short" },
      { "gzip", bytes:sub(1, -2), "cut short" }, { "gzip", bytes:sub(1, 5), "cut short" },
      { "gzip", bytes:sub(1, -9) .. "abcd" .. bytes:sub(-4), "cannot be decoded" },
      { "gzip", PAGE, "cannot be decoded" }, { "gzip", bytes .. "more", "cannot be decoded" },
      { "deflate", zlib("a") .. "more", "behind its compressed body" },
      { "deflate", zlib("a"):sub(1, -2), "cut short" },
      { "br", brotli:sub(1, -2), "cut short" }, { "br", PAGE, "cannot be decoded" },
      { "br", brotli .. "more", "behind its compressed body" },
      { "zstd", zstd:sub(1, -2), "cut short" }, { "zstd", PAGE, "cannot be decoded" },
      { "zstd", zstd .. "more", "cannot be decoded" }, { "zstd", zstd .. zstd:sub(1, 2), "cut short" },
      { "compress", "ab", "Content%-Encoding other than" },
      { "gzip, gzip", gzip(bytes), "Content%-Encoding other than" },
      { "gzip|Content-Encoding: gzip", gzip(bytes), "Content%-Encoding other than" } } do
      local body, status = get("plain", "Content-Encoding: " .. case[1], case[2])
      assert.equal(502, status, i .. body)
      assert.matches('"code":"PEER"', body)
      assert.matches(case[3], body)
    end
  end)

  local function peak()
    local text = tmp.read(("/proc/%d/status"):format(n.process.pid))
    return tonumber(text:match "VmHWM:%s*(%d+) kB") * 1024
  end

  it("is bounded by max_bytes while it is decoded", function()
    local most = ("x"):rep(1000)
    assert.equal("nil nil " .. most, (get("small", "Content-Encoding: gzip", gzip(most))))
    local body, status = get("small", "Content-Encoding: gzip", gzip(most .. "x"))
    assert.same({ 413, "TOOBIG" }, { status, body:match '"code":"(%a+)"' })
    local before = peak()
    body = get("small", "Content-Encoding: gzip", gzip(("\0"):rep(2 ^ 26))) -- 65 KB of it
    assert.equal("TOOBIG", body:match '"code":"(%a+)"')
    assert.is_true(peak() - before < 8 * 2 ^ 20, peak() - before)
  end)
end)
