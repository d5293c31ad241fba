-- SPDX-License-Identifier: MIT

-- A group defined inside a getter moved the list of groups while other getters were using it.

local cjson = require "cjson"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

describe("a group defined inside a getter", function()
  it("is refused at its line, and harms nobody", function()
    local r = rig.new()
    local n = node.start { args = { "--workers", "1" }, script = r:script [[
      local groupcache = require "groupcache"
      groupcache.group("g", {
        getter = function(key)
          if key:find "nap" then
            rig.record(key)
            rig.gate "defined"
            return key
          end
          groupcache.group(key, { getter = function() return "v" end }) -- line 9
          return "defined"
        end,
      })
    ]] }
    local naps, fns = {}, {}
    for i = 1, 5 do
      fns[i] = function() naps[i] = assert(n:get("g", "nap" .. i)).body end
    end
    fns[6] = function()
      rig.wait(n, function() return r:total() == 5 end)
      for i = 1, 50 do
        local res = assert(n:get("g", "new" .. i))
        local err = cjson.decode(res.body)
        assert.same({ 502, "GETTER" }, { res.status, err.code })
        assert.matches("defined while the script runs", err.error, 1, true)
        assert.equal(404, assert(n:get("new" .. i, "k")).status)
      end
      r:open "defined"
    end
    http.together(fns)
    assert.same({ "nap1", "nap2", "nap3", "nap4", "nap5" }, naps)
    local groups = n:stats().groups
    assert.equal("g", next(groups))
    assert.is_nil(next(groups, "g"))
    assert.equal(0, (n:stop()))
  end)
end)
