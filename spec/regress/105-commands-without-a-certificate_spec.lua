-- SPDX-License-Identifier: MIT

-- The commands could not ask a node that serves nobody without a certificate: they had none.

local certs = require "support.certs"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"

describe("a command", function()
  local ca, own, n

  setup(function()
    ca = certs.ca "the cluster"
    own = ca:issue()
    local server = ca:issue()
    n = node.start { script = [[
      require("groupcache").group("g", { getter = function(key) return "v:" .. key end })
    ]], tls = { cert = server.cert, key = server.key, ca = ca.path, client_auth = "all" } }
  end)

  teardown(function()
    rig.stop(n)
  end)

  local function get(...)
    return process.run { timeout = 30, node.binary, "get", "g", "k", "--node", n.url, "--ca",
      ca.path, ... }
  end

  it("shows a certificate to a node that asks for one", function()
    local out = get("--cert", own.cert, "--key", own.key)
    assert.same({ 0, "v:k", "" }, { out.code, out.stdout, out.stderr })
  end)

  it("is refused without", function()
    assert.equal(3, get().code)
  end)

  it("says which file is of no use", function()
    local out = get("--cert", "/nonexistent", "--key", own.key)
    assert.same({ 2, "groupcached: tls.cert /nonexistent: No such file or directory\n" },
      { out.code, out.stderr })
  end)
end)
