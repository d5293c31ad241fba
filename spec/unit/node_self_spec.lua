-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("node/node_self.h")

describe("a node's own URL", function()
  local e = ffi.new "struct error"

  local function url(address, opts)
    local o = ffi.new("struct node_self_opts", opts)
    local out = ffi.new("char[?]", C.NODE_SELF_BYTES)
    if C.node_self_url(o, "http", address, out, e) ~= 0 then
      return nil, ffi.string(e.msg)
    end
    return ffi.string(out)
  end

  it("is where the node listens, if nobody else must reach it", function()
    assert.equal("http://0.0.0.0:80", url("0.0.0.0:80", {}))
    assert.equal("http://unix:/run/gc", url("unix:/run/gc", {}))
  end)

  it("has the host as others see it, if the node listens everywhere", function()
    for _, address in ipairs { "0.0.0.0:80", "[::]:80", "*:80" } do
      assert.equal("http://10.0.0.1:80", url(address, { find = 1, host = "10.0.0.1" }))
    end
    assert.equal("http://[fd00::1]:80", url("[::]:80", { find = 1, host = "[fd00::1]" }))
    assert.equal("http://10.0.0.2:80", url("10.0.0.2:80", { find = 1, host = "10.0.0.1" }))
  end)

  it("is the loopback address only if the source is on this host, too", function()
    assert.equal("http://127.0.0.1:80", url("127.0.0.1:80", { find = 1, host = "10.0.0.1" }))
    for _, address in ipairs { "127.0.0.1:80", "[::1]:80" } do
      local _, err = url(address, { find = 1, host = "10.0.0.1", remote = 1 })
      assert.matches("set listen to 10.0.0.1:80, or set self", err, 1, true)
    end
  end)

  it("must be set, if it cannot be found", function()
    assert.matches("listens on unix:/run/gc: set self",
      select(2, url("unix:/run/gc", { find = 1, host = "10.0.0.1" })), 1, true)
    assert.matches("this host has no address", select(2, url("0.0.0.0:80", { find = 1 })), 1, true)
  end)
end)
