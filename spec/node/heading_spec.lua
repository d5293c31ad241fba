-- SPDX-License-Identifier: MIT

-- The headers of an answer with a value: each on a line of its own, once, whatever their length.

local http = require "support.http"
local node = require "support.node"
local tmp = require "support.tmp"

local LONG = "text/" .. ("l"):rep(900)
local NAMES = {}
for i = 1, 18 do
  NAMES[i] = ("X-Part-Of-The-Key-%02d"):format(i)
end

local SCRIPT = ([[
local groupcache = require "groupcache"
local function value() return "value" end
groupcache.group("plain", { getter = value, ttl = 100, ttl_jitter = 0 })
groupcache.group("long", { getter = value, content_type = "LONG" })
groupcache.group("many", { getter = value, vary = { NAMES } })
groupcache.group("dated", { getter = function()
  return { body = "value", headers = { date = "Sun, 06 Nov 1994 08:49:37 GMT" } }
end })
]]):gsub("LONG", LONG):gsub("NAMES", '"' .. table.concat(NAMES, '", "') .. '"')

local DATE = "^%u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT$"

describe("the headers of a value", function()
  local n

  setup(function()
    n = node.start { script = tmp.file(SCRIPT, ".lua") }
  end)

  teardown(function()
    n:stop()
  end)

  -- The answer to the key's get; each header is there once.
  local function get(path, headers)
    local res = assert(http.get(n.url .. "/cache/" .. path, { headers = headers }))
    local seen = {}
    for _, header in ipairs(res.raw_headers) do
      local name = header[1]:lower()
      assert.is_nil(seen[name], "twice: " .. name)
      assert.is_nil(header[2]:find "[\r\n]")
      seen[name] = true
    end
    return res
  end

  it("are a line each, at a miss, at a hit and of a kept answer", function()
    for _ = 1, 4 do
      local res = get "plain/a"
      assert.equal("value", res.body)
      assert.matches(DATE, res.headers.date)
      assert.equal("application/octet-stream", res.headers["content-type"])
      assert.matches("^%l+$", res.headers["x-cache"])
      assert.matches('^"%x+"$', res.headers.etag)
      assert.equal("bytes", res.headers["accept-ranges"])
      assert.matches("^max%-age=%d+$", res.headers["cache-control"])
      assert.equal("5", res.headers["content-length"])
    end
  end)

  it("are a line each in an answer with a part, and in one without a body", function()
    local res = get("plain/b", { Range = "bytes=1-2" })
    assert.equal(206, res.status)
    assert.equal("al", res.body)
    assert.equal("bytes 1-2/5", res.headers["content-range"])
    res = get("plain/b", { ["If-None-Match"] = res.headers.etag })
    assert.equal(304, res.status)
    assert.equal("main", res.headers["x-cache"])
    assert.is_nil(res.headers["accept-ranges"])
  end)

  it("may be longer than what is joined", function()
    local res = get "long/a"
    assert.equal(LONG, res.headers["content-type"])
    assert.matches(DATE, res.headers.date)
    assert.equal("bytes", res.headers["accept-ranges"])
    res = get "many/a"
    for _, name in ipairs(NAMES) do
      assert.is_truthy(res.headers.vary:lower():find(name:lower(), 1, true), name)
    end
    assert.matches('^"%x+"$', res.headers.etag)
  end)

  it("have the date of the value, if it has one", function()
    for _ = 1, 4 do
      assert.equal("Sun, 06 Nov 1994 08:49:37 GMT", (get "dated/a").headers.date)
    end
  end)
end)
