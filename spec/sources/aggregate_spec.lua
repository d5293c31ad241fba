-- SPDX-License-Identifier: MIT

-- examples/aggregate.lua before an nginx with the files of three APIs, one of which fails.

local cjson = require "cjson"
local nginx = require "support.nginx"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

describe("examples/aggregate.lua", function()
  local origin, n

  setup(function()
    local root = tmp.dir() .. "/"
    tmp.write(root .. "users/17", '{"name":"Ada"}')
    tmp.write(root .. "users/18", '{"name":"Bob"}')
    tmp.write(root .. "orders/17", '[{"id":1},{"id":2}]')
    tmp.write(root .. "offers/17", '{"best":"tea"}')
    origin = nginx.start { root = root, config = "location = /offers/18 { return 500; }" }
    n = node.start { script = "examples/aggregate.lua", env = { API = origin.url } }
  end)

  teardown(function()
    rig.stop(n)
    origin:stop()
  end)

  it("gives the answers of three APIs as one", function()
    for _ = 1, 2 do
      local res = assert(n:get("overview", "17"))
      assert.equal("application/json", res.headers["content-type"])
      assert.same({ user = { name = "Ada" }, orders = { { id = 1 }, { id = 2 } },
        offers = { best = "tea" }, missing = {} }, cjson.decode(res.body))
    end
    assert.equal(3, #origin:requests(3))
  end)

  it("says what is missing, and needs the user only", function()
    assert.same({ user = { name = "Bob" }, missing = { "offers" } },
      cjson.decode(assert(n:get("overview", "18")).body)) -- no orders: that is no failure
    assert.equal(404, assert(n:get("overview", "19")).status)
  end)
end)
