-- SPDX-License-Identifier: MIT

local process = require "support.process"
local unit = require "support.unit"
local C = unit.load "base/signals.h"

local sanitized = os.getenv "SAN" == "address" or os.getenv "SAN" == "thread"
local it_plain = sanitized and pending or it -- the library would need its runtime first

-- Runs code in a process of its own, where signals are taken. Returns how that ended.
local function run(code)
  return process.run { os.getenv "LUAJIT" or "luajit", "-e", ([[
    local ffi = require "ffi"
    ffi.cdef "int signals_take(void *e); void signals_serve(void); int signals_wait(void);"
    ffi.cdef "int signals_stop_asked(void); int signals_take_stop(void);"
    ffi.cdef "void signals_end_within(unsigned ms, int status);"
    ffi.cdef "int getpid(void); int kill(int pid, int sig); int pause(void);"
    local C = ffi.load(%q)
    local HUP, INT, USR2, TERM = 1, 2, 12, 15
    local function send(sig) ffi.C.kill(ffi.C.getpid(), sig) end
    assert(C.signals_take(nil) == 0)
    %s
    os.exit(0) -- without unloading the library, whose thread goes on
  ]]):format(unit.library, code), timeout = 10 }
end

describe("signals", function()
  it("are never pending in a program that did not give them away", function()
    assert.equal(0, C.signals_stop_asked())
    assert.equal(0, C.signals_take_stop())
  end)

  it_plain("that stop end the process before it serves", function()
    local out = run "send(TERM) ffi.C.pause()"
    assert.equal(15, out.signal)
    assert.matches("ended by a signal while the script was read\" name=SIGTERM\n", out.stderr)
  end)

  it_plain("wait to be taken once it serves, a stop first", function()
    local out = run [[
      send(HUP)
      C.signals_serve()
      print(C.signals_wait())
      send(INT)
      while C.signals_stop_asked() == 0 do end
      send(HUP)
      print(C.signals_wait(), C.signals_stop_asked())
      send(TERM)
      while C.signals_take_stop() == 0 do end
      print(C.signals_stop_asked())
    ]]
    assert.same({ 0, "1\n2\t0\n0\n" }, { out.code, out.stdout })
  end)

  it_plain("that mean nothing do not end it", function()
    local out = run [[
      C.signals_serve()
      send(USR2)
      send(HUP)
      print(C.signals_wait())
    ]]
    assert.same({ 0, "1\n" }, { out.code, out.stdout })
  end)

  it_plain("do not keep a process from its end", function()
    assert.equal(7, run("C.signals_end_within(20, 7) ffi.C.pause() ffi.C.pause()").code)
  end)
end)
