-- SPDX-License-Identifier: MIT

-- A password in the address of a source of peers may have characters that must be escaped there. If
-- they were not, the message about it showed a part of the password, and so did the log.

local node = require "support.node"
local process = require "support.process"
local tmp = require "support.tmp"

describe("a password that is not escaped", function()
  local script

  setup(function()
    script = tmp.file('require("groupcache").group("g", { getter = print })', "node.lua")
  end)

  for _, address in ipairs {
    "etcd://root:open/sesame@10.0.0.1:2379/p/",
    "etcd://root:open@sesame@10.0.0.1:2379/p/",
    "etcd://root:open?sesame@10.0.0.1:2379/p/",
    "etcd://root:open:sesame/@10.0.0.1:2379/p/",
    "etcd://root:1/sesame@10.0.0.1:2379/p/",
    "etcd://:sesame@10.0.0.1:2379/p/",
    "consul://root:sesame@10.0.0.1:8500/x",
  } do
    it("is not shown of " .. address, function()
      local r = process.run { node.binary, "check", script, "--peers", address }
      assert.equal(1, r.code, r.stdout)
      assert.matches(":***@10.0.0.1:", r.stderr, 1, true)
      assert.is_nil(r.stderr:find("sesame", 1, true), r.stderr)
    end)
  end

  it("is taken as it is when it is escaped", function()
    local r = process.run { node.binary, "check", script, "--peers",
      "etcd://root:a%40%2F%3A%3Fb@[::1]:2379,h/p/" }
    assert.equal(0, r.code, r.stderr)
  end)
end)
