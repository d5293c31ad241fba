-- SPDX-License-Identifier: MIT

-- What nodes of the Go forks tell us: set, remove, remove these keys; and a GET with a body.

local cjson = require "cjson"
local ffi = require "ffi"
local messages = require "support.messages"
local node = require "support.node"
local rig = require "node.rig"

local function set_request(key, value, seconds)
  return messages.set_request("g", key, value,
    seconds and ffi.cast("int64_t", os.time() + seconds) * 1000000000LL)
end

for _, dialect in ipairs { "mailgun", "groupcache-go", "modernprogram" } do
  describe("a node of " .. dialect, function()
    local n

    setup(function()
      local args = { "--dialect", dialect, "--max-key-bytes", 100, "--peer-changes", "127.0.0.1" }
      n = node.start { args = args, script = [[
        require("groupcache").group("g", {
          ttl = 1000, ttl_jitter = 0, max_value_bytes = 1000,
          getter = function(key) return "loaded " .. key end,
        })
      ]] }
    end)

    teardown(function()
      rig.stop(n)
    end)

    local function ask(method, path, body)
      return assert(n:request { method = method, target = "/_groupcache/" .. path, body = body })
    end

    local function done(res)
      assert.same({ 200, "" }, { res.status, res.body })
      assert.is_nil(res.headers["x-groupcache-node"])
    end

    local function value(key)
      return assert(n:get("g", key)).body
    end

    local function ttl(key)
      return tonumber(assert(n:get("g", key)).headers["cache-control"]:match "%d+")
    end

    it("keeps a value that it is told, under the key that the body has", function()
      done(ask("PUT", "g/other", set_request("key\0", "told\255")))
      assert.equal("told\255", value "key\0")
      assert.equal("loaded other", value "other")
      done(ask("PUT", "g/key", set_request("key\0", "")))
      assert.equal("", value "key\0")
      assert.is_true(ttl "key\0" > 990) -- the group's own
      done(ask("PUT", "g/key", set_request("brief", "v", 100)))
      assert.is_true(ttl "brief" <= 100 and ttl "brief" > 80)
      done(ask("PUT", "g/key", set_request("brief", "over", -5)))
      assert.equal("loaded brief", value "brief")
    end)

    it("removes a key, there or not", function()
      ask("PUT", "g/k", set_request("gone", "v"))
      done(ask("DELETE", "g/gone"))
      done(ask("DELETE", "g/gone"))
      assert.equal("loaded gone", value "gone")
    end)

    it("says what is wrong", function()
      for _, case in ipairs {
        { 400, "PUT", "g/k", "garbage" }, { 400, "PUT", "g/k", "" },
        { 400, "PUT", "g/k", set_request(("k"):rep(101), "v") },
        { 400, "PUT", "g/k", ("\x28\x01"):rep(65) .. set_request("k", "v") },
        { 404, "PUT", "nope/k", set_request("k", "v"), }, { 404, "DELETE", "nope/k" },
        { 400, "DELETE", "g/k", "with a body" }, { 400, "PUT", "g", "x" },
      } do
        local res = ask(case[2], case[3], case[4])
        assert.equal(case[1] == 404 and 500 or case[1], res.status, case[2] .. " " .. case[3])
      end
      assert.is_true(ask("PUT", "g/k", set_request("k", ("v"):rep(1001))).status >= 500)
      assert.equal("loaded k", value "k")
    end)

    if dialect == "groupcache-go" then
      it("removes many keys", function()
        for _, key in ipairs { "a", "b", "é" } do
          ask("PUT", "g/k", set_request(key, "v"))
        end
        done(ask("POST", "g/_remove-keys/", cjson.encode { group = "g", keys = { "a", "é", "c" } }))
        assert.same({ "loaded a", "v", "loaded é" }, { value "a", value "b", value "é" })
        assert.equal(400, ask("POST", "g/_remove-keys/", "{").status)
        local res = ask("POST", "g/k", "x")
        assert.same({ 404, "invalid path for POST method\n" }, { res.status, res.body })
        assert.equal(405, ask("PATCH", "g/k").status)
      end)
    elseif dialect == "modernprogram" then
      it("takes a GET with a body, hit or not", function()
        local body = "\10\1g\18\9wrong key\26\0\34\4ctx2"
        for _ = 1, 2 do
          local res = ask("GET", "g/asked", body)
          assert.equal(200, res.status)
          assert.matches("loaded asked", res.body, 1, true)
        end
        assert.equal(400, ask("GET", "g/asked", "garbage").status)
      end)
    end
  end)
end
