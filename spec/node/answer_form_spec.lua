-- SPDX-License-Identifier: MIT

-- Answers of one thread that are written into the same response, one after the other.

local http = require "support.http"
local node = require "support.node"
local tmp = require "support.tmp"

-- Values of a few lengths, each with its key in it.
local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { getter = function(key)
  return key .. ("."):rep(tonumber(key:match "^%d+"))
end })
]]

local LENGTHS = { 0, 1, 100, 1000, 1030, 5000 }

describe("answers of the same lengths", function()
  local n

  setup(function()
    n = node.start { script = tmp.file(SCRIPT, ".lua"), args = { "--http-threads", "1" } }
  end)

  teardown(function()
    n:stop()
  end)

  local function key(i)
    return ("%d-%03d"):format(LENGTHS[i % #LENGTHS + 1], i)
  end

  local function value(i)
    return key(i) .. ("."):rep(LENGTHS[i % #LENGTHS + 1])
  end

  local function check(i, res, tags)
    assert.equal(200, res.status)
    assert.equal(value(i), res.body)
    assert.equal(tostring(#value(i)), res.headers["content-length"])
    local tag = assert(res.headers.etag)
    assert.is_true(tags[tag] == nil or tags[tag] == i, "two values have one tag")
    tags[tag] = i
  end

  it("have each its own value and tag, for any number of connections", function()
    local tags, fns = {}, {}
    for c = 1, 8 do
      fns[c] = function()
        local conn = assert(http.connect("127.0.0.1", n.port))
        for i = 1, 300 do
          i = (i * c) % 240
          check(i, assert(conn:request { target = "/cache/g/" .. key(i) }), tags)
        end
        conn:close()
      end
    end
    http.together(fns)
  end)

  it("have each its own value if the requests arrive together", function()
    local asked, expected = {}, {}
    for i = 1, 120 do
      asked[i] = ("GET /cache/g/%s HTTP/1.1\r\nHost: a\r\n%s\r\n"):format(key(i),
        i == 120 and "Connection: close\r\n" or "")
      expected[i] = value(i)
    end
    local answers, at = http.raw("127.0.0.1", n.port, table.concat(asked)), 1
    for i, body in ipairs(expected) do
      local _, last = assert(answers:find("\r\n\r\n", at, true))
      assert.equal(body, answers:sub(last + 1, last + #body), "answer " .. i)
      at = last + #body + 1
    end
    assert.equal(#answers + 1, at)
  end)

  it("have no body if only their heads are asked for, and the next one has its own", function()
    local conn = assert(http.connect("127.0.0.1", n.port))
    local tags = {}
    for i = 0, 47 do
      local head = assert(conn:request { method = "HEAD", target = "/cache/g/" .. key(i) })
      assert.equal("", head.body)
      assert.equal(tostring(#value(i)), head.headers["content-length"])
      check(i + 48, assert(conn:request { target = "/cache/g/" .. key(i + 48) }), tags)
    end
    conn:close()
  end)
end)
