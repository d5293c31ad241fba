-- SPDX-License-Identifier: MIT

-- The query of a target was thrown away: DELETE /cache/pages?key=a emptied the whole group on all
-- nodes, and /cache/pages/row?id=1 and ?id=2 were one key.

local cjson = require "cjson"
local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local function getter(key) return "v:" .. key end
groupcache.group("pages", { writable = true, getter = getter })
groupcache.group("rows", { writable = true, query = "key", getter = getter })
]]

describe("the query of a request", function()
  local n

  setup(function() n = node.start { script = SCRIPT } end)
  teardown(function() rig.stop(n) end)

  local function ask(method, target, opts)
    opts = opts or {}
    opts.method, opts.target = method, target
    return assert(n:request(opts))
  end

  it("is refused where it means nothing, with the way to write it, and changes nothing", function()
    assert.equal("v:kept", ask("GET", "/cache/pages/kept").body)
    for _, case in ipairs {
      { "DELETE", "/cache/pages?key=a" }, { "DELETE", "/cache/pages?" },
      { "DELETE", "/cache/pages/kept?x" },
      { "GET", "/cache/pages/row?id=1" }, { "HEAD", "/cache/pages/row?id=1" },
      { "PUT", "/cache/pages/kept?ttl=5", { body = "other" } },
      { "POST", "/cache/pages?x=1", { body = '["kept"]' } },
      { "GET", "/cache/nogroup/row?id=1" }, { "DELETE", "/cache/rows?key=a" },
      { "GET", "/_groupcache/pages/row?id=1" },
      { "PUT", "/_groupcache/pages/kept?x", { body = "x" } },
      { "DELETE", "/_groupcache/pages/kept?x" }, { "POST", "/_groupcache/pages?x", { body = "x" } },
      { "GET", "/_groupcache/rows/row?id=1" },
    } do
      local what = case[1] .. " " .. case[2]
      local res = ask(unpack(case))
      assert.equal(400, res.status, what)
      if case[1] ~= "HEAD" then
        assert.matches("%3F", cjson.decode(res.body).error, 1, true)
      end
    end
    local kept = ask("GET", "/cache/pages/kept")
    assert.same({ "v:kept", "main" }, { kept.body, kept.headers["x-cache"] })
  end)

  it("is a part of the key when it is escaped", function()
    assert.equal("v:row?id=1", ask("GET", "/cache/pages/row%3Fid=1").body)
  end)

  it("is a part of the key in a group that says so, with its question mark", function()
    assert.equal("v:row?id=1", ask("GET", "/cache/rows/row?id=1").body)
    assert.equal("v:row?id=2&a=b", ask("GET", "/cache/rows/row?id=2&a=b").body)
    assert.equal("v:row", ask("GET", "/cache/rows/row").body)
    assert.equal("v:row?", ask("GET", "/cache/rows/row?").body)
    assert.equal("v:row?a?b c", ask("GET", "/cache/rows/row?a?b%20c").body)
    assert.equal("main", ask("GET", "/cache/rows/row%3Fid=1").headers["x-cache"])
    assert.equal(204, ask("PUT", "/cache/rows/row?id=1", { body = "set" }).status)
    assert.equal("set", ask("GET", "/cache/rows/row?id=1").body)
    assert.equal("v:row?id=2&a=b", ask("GET", "/cache/rows/row?id=2&a=b").body)
    assert.equal(204, ask("DELETE", "/cache/rows/row?id=1").status)
    assert.equal("v:row?id=1", ask("GET", "/cache/rows/row?id=1").body)
  end)

  it("is a part of a long key, too", function()
    assert.equal(200, ask("GET", "/cache/rows/" .. ("k"):rep(2000) .. "?q").status)
  end)

  it("counts for the longest key", function()
    assert.equal(200, ask("GET", "/cache/rows/k?" .. ("q"):rep(4094)).status)
    assert.equal(400, ask("GET", "/cache/rows/k?" .. ("q"):rep(4095)).status)
  end)

  it("does no harm to operators' paths", function()
    assert.equal(200, ask("GET", "/healthz?probe=1").status)
    assert.equal(200, ask("GET", "/stats?pretty").status)
  end)
end)
