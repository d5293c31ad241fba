-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local stdlib = require "posix.stdlib"
local unistd = require "posix.unistd"
local unit = require "support.unit"
local C = unit.load("base/activation.h", "base/err.h")

-- Real sockets are passed in spec/cli/service_spec.lua: here descriptors 3 and so on are others.
describe("the sockets of a service manager", function()
  local e = ffi.new "struct error"

  local function take(pid, fds)
    stdlib.setenv("LISTEN_PID", pid)
    stdlib.setenv("LISTEN_FDS", fds)
    stdlib.setenv("LISTEN_FDNAMES", "listen")
    local failed = tonumber(C.activation_take(e))
    for _, name in ipairs { "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES" } do
      assert.is_nil(os.getenv(name))
    end
    assert.equal(0, tonumber(C.activation_count()))
    return failed ~= 0 and ffi.string(e.msg) or nil
  end

  it("are those of another process if LISTEN_PID says so", function()
    assert.is_nil(take("1", "3"))
    assert.is_nil(take(nil, "3"))
    assert.is_nil(take(tostring(unistd.getpid()), "0"))
  end)

  it("are refused if their number is none, is too large, or has no descriptors", function()
    local mine = tostring(unistd.getpid())
    assert.equal('LISTEN_PID is "-1", and must be a number up to 2147483647', take("-1", "1"))
    assert.equal('LISTEN_FDS is "17", and must be a number up to 16', take(mine, "17"))
    assert.equal('LISTEN_FDS is "two", and must be a number up to 16', take(mine, "two"))
  end)
end)
