-- SPDX-License-Identifier: MIT

-- A node that listens on every address has the URL http://[::]:8080. doctor and explain took it for
-- another node, which did not answer.

local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"

local SCRIPT = 'require("groupcache").group("g", { getter = function(key) return key end })\n'

describe("a node alone on every address", function()
  local n, admin

  local function run(...)
    local words = { node.binary, timeout = 30, ... }
    for _, word in ipairs { "--node", "http://127.0.0.1:" .. n.port, "--admin", admin } do
      words[#words + 1] = word
    end
    return process.run(words)
  end

  setup(function()
    local port = ports.free()
    admin = "http://127.0.0.1:" .. ports.free()
    n = node.start { script = SCRIPT, port = port, admin = false,
      args = { "--listen", ":" .. port, "--admin-listen", (admin:gsub("http://", "")) } }
  end)

  teardown(function()
    n:stop()
  end)

  it("is one node to doctor", function()
    local out = run "doctor"
    assert.matches("^ok +reached +1 of 1 nodes answer operators\n", out.stdout)
    assert.equal(0, out.code)
  end)

  it("is one node to explain", function()
    assert.equal("a", assert(http.request { port = n.port, target = "/cache/g/a" }).body)
    local out = run("explain", "g", "a")
    assert.equal(1, select(2, out.stdout:gsub("held: ", "")), out.stdout)
    assert.equal(0, out.code)
  end)
end)
