-- SPDX-License-Identifier: MIT

-- A key is looked for from the first line of a request on. It is the same key in every form.

local http = require "support.http"
local node = require "support.node"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
local loads = 0
for _, name in ipairs { "g", "query", "varied" } do
  groupcache.group(name, { query = name == "query" and "key" or nil,
    vary = name == "varied" and { "X-A" } or nil,
    getter = function(key)
      loads = loads + 1
      return loads .. " " .. #key
    end })
end
]]

describe("a key of a request", function()
  local n, conn

  setup(function()
    n = node.start { script = tmp.file(SCRIPT, ".lua"), args = { "--http-threads", "1",
      "--workers", "1" } }
  end)

  teardown(function()
    n:stop()
  end)

  before_each(function()
    conn = assert(http.connect("127.0.0.1", n.port))
  end)

  after_each(function()
    conn:close()
  end)

  local function get(target, headers)
    local res = assert(conn:request { target = target, headers = headers })
    assert.equal(200, res.status, res.body)
    return res.body
  end

  it("is the same if it is written in another form, between requests for others", function()
    local url = "http://127.0.0.1:" .. n.port
    local forms = { "/cache/g/abc", "/cache/g/a%62c", "/cache/%67/abc", url .. "/cache/g/abc",
      url .. "/cache/g/%61bc" }
    local value = get(forms[1])
    for i = 1, 30 do
      assert.equal(value, get(forms[i % #forms + 1]), forms[i % #forms + 1])
      assert.not_equal(value, get("/cache/g/ab" .. i % 10))
    end
  end)

  it("may be empty, behind any other", function()
    local url = "http://127.0.0.1:" .. n.port
    local value = get "/cache/g/"
    for _, target in ipairs { "/cache/g/x", "/cache/%67/", url .. "/cache/g/", "/cache/g/" } do
      assert.equal(target == "/cache/g/x", get(target) ~= value, target)
    end
  end)

  it("has the query and the headers of its own request", function()
    assert.equal(get "/cache/query/a?b=1", get "/cache/query/a?b=1")
    assert.not_equal(get "/cache/query/a?b=1", get "/cache/query/a?b=2")
    assert.not_equal(get "/cache/query/a?b=1", get "/cache/query/a")
    local one = get("/cache/varied/a", { ["X-A"] = "1" })
    assert.not_equal(one, get("/cache/varied/a", { ["X-A"] = "2" }))
    assert.not_equal(one, get "/cache/varied/a")
    assert.equal(one, get("/cache/varied/a", { ["X-A"] = "1" }))
  end)

  it("is of a group that there is, also behind a request for another", function()
    local other = get "/cache/g/abd"
    assert.equal(404, assert(conn:request { target = "/cache/none/abd" }).status)
    assert.equal(other, get "/cache/g/abd")
  end)
end)
