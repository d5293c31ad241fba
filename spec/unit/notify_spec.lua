-- SPDX-License-Identifier: MIT

local manager = require "support.manager"
local stdlib = require "posix.stdlib"
local unit = require "support.unit"
local C = unit.load "base/notify.h"

-- What a node says is in spec/cli/service_spec.lua.
describe("the words to a service manager", function()
  it("do nothing where there is no manager", function()
    C.notify_status "a word"
    C.notify_alive()
    assert.equal(0, tonumber(C.notify_watchdog_ms()))
  end)

  it("go to its socket, a status in one line", function()
    local m = manager.listen(true)
    stdlib.setenv("NOTIFY_SOCKET", m.address)
    stdlib.setenv("WATCHDOG_USEC", "9000000")
    stdlib.setenv("WATCHDOG_PID", "1") -- another process
    C.notify_open()
    assert.is_nil(os.getenv "NOTIFY_SOCKET")
    assert.is_nil(os.getenv "WATCHDOG_USEC")
    assert.equal(0, tonumber(C.notify_watchdog_ms()))
    C.notify_status "first\nREADY=1"
    C.notify_alive()
    C.notify_reloaded "done" -- it was not ready before
    C.notify_ready("%s", "up")
    C.notify_reloaded "done"
    assert.same({ "STATUS=first READY=1", "WATCHDOG=1", "STATUS=done", "READY=1\nSTATUS=up",
      "READY=1\nSTATUS=done" }, m:heard())
    C.notify_status(("x"):rep(1000))
    assert.equal(511, #m:heard()[6])
    m:close()
  end)
end)
