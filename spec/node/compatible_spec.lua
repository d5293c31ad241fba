-- SPDX-License-Identifier: MIT

-- What nodes of different versions promise each other: docs/upgrade.md. `make upgrade` tries that
-- with the program of the last release.

local cjson = require "cjson"
local fake = require "node.fake"
local http = require "support.http"
local messages = require "support.messages"
local node = require "support.node"
local ours = require "node.ours"
local ports = require "support.ports"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
local cjson = require "cjson"
local g = groupcache.group("g", { hot = "never",
  getter = function(key) return key .. " here" end })
groupcache.group("many", { local_only = true, getter = function(list)
  return cjson.encode((g:get_many(cjson.decode(list)))), nil, 0
end })
]]

-- As released: to be added to, and not changed.
local FIELDS = {
  BatchRequest = { "optional uint32 op", "repeated bytes key", "optional bytes value",
    "optional uint64 ttl_ms", "optional bytes extra", "optional bytes traces",
    "optional uint64 until" },
  BatchAnswer = { "optional uint32 index", "optional bytes value", "optional string code",
    "optional string message", "optional uint64 ttl_ms", "optional uint64 age_s",
    "optional bool stale", "optional double minute_qps", "optional bytes extra" },
}
local OPS = { "BATCH_GET", "BATCH_REMOVE", "BATCH_FLUSH", "BATCH_SET", "BATCH_RECENT",
  "BATCH_HELD", "BATCH_HAND" }

describe("between versions", function()
  it("the fields of messages keep their numbers, names and types", function()
    local proto = tmp.read "proto/batch.proto"
    for message, fields in pairs(FIELDS) do
      local body = assert(proto:match("message " .. message .. " (%b{})"))
      for number, field in ipairs(fields) do
        assert.matches(("\n  %s = %d;"):format(field, number), body, 1, true)
      end
      -- Nothing that a version of before could not leave out.
      assert.is_nil(body:find("required", 1, true))
    end
  end)

  it("the ops of a batch keep their numbers", function()
    local list = {}
    local ops = assert(tmp.read("src/wire/batch.h"):match "enum batch_op (%b{})")
    for op in ops:gmatch "BATCH_%u+" do
      list[#list + 1] = op
    end
    assert.same(OPS, { unpack(list, 1, #OPS) })
    assert.equal("BATCH_OPS", list[#list])
  end)

  describe("a node", function()
    local n, f

    after_each(function()
      rig.stop(n)
      if f then
        f:stop()
        f = nil
      end
    end)

    it("takes a peer of a later protocol for one of its own, and passes over what it does not know",
      function()
        f = fake.start(ours [[
          LATER = "X-Groupcache-Node: 7\r\nX-Groupcache-Later: x\r\n"
          -- A field with the number 99 behind those that there are.
          local function later(i, value)
            local known = frame(i, value)
            local unknown = varint(99 * 8 + 2) .. varint(3) .. "new"
            return varint(#known - 1 + #unknown) .. known:sub(2) .. unknown
          end
          function on_batch(request, c)
            local op, keys = batch(request)
            local all = ""
            for i, key in ipairs(keys) do
              all = all .. (op == "get" and later(i - 1, key .. " of a later version") or "")
            end
            answer(c, op == "get" and 200 or 400, all, LATER)
          end
        ]])
        local port = ports.free()
        local peers = { "http://127.0.0.1:" .. port, f.url }
        n = node.start { script = SCRIPT, port = port, self = peers[1], peers = peers }
        local keys = { rig.owned_by(peers, f.url, "a-"), rig.owned_by(peers, f.url, "b-") }
        local res = assert(n:get("many", cjson.encode(keys), { timeout = 20 }))
        assert.same({ [keys[1]] = keys[1] .. " of a later version",
          [keys[2]] = keys[2] .. " of a later version" }, cjson.decode(res.body))
      end)

    it("refuses an op that it does not know, changes nothing, and says who it is", function()
      n = node.start { script = SCRIPT }
      assert.equal("k here", n:get("g", "k").body)
      local body = messages.batch_request(#OPS, { "k" })
      local res = assert(http.request { port = n.port, method = "POST", target = "/_groupcache/g",
        body = body, headers = { ["X-Groupcache-From"] = "http://127.0.0.1:1" } })
      assert.equal(400, res.status)
      assert.equal("INVAL", res.headers["x-groupcache-code"])
      assert.equal("1", res.headers["x-groupcache-node"])
      assert.equal("main", n:get("g", "k").headers["x-cache"])
    end)

    it("ignores headers that it does not know", function()
      n = node.start { script = SCRIPT }
      local res = assert(http.request { port = n.port, target = "/_groupcache/g/k",
        headers = { ["X-Groupcache-From"] = "http://127.0.0.1:1", ["X-Groupcache-Later"] = "x" } })
      assert.equal(200, res.status)
    end)
  end)
end)
