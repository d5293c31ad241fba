-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local stdlib = require "posix.stdlib"
local C = require("support.unit").load "base/mem.h"

describe("mem", function()
  after_each(function()
    C.mem_fail_after(-1)
  end)

  it("fails exactly the allocation it is told to, once", function()
    for n = 0, 5 do
      C.mem_fail_after(n)
      for i = 0, 10 do
        local p = C.mem_alloc(8)
        assert.equal(i == n, p == nil)
        C.mem_free(p)
      end
    end
  end)

  it("counts allocations and resizes alike", function()
    C.mem_fail_after(2)
    local a = C.mem_alloc(8)
    local b = C.mem_realloc(nil, 8)
    local failed = C.mem_realloc(b, 4096)
    C.mem_free(a)
    C.mem_free(b)
    assert.is_true(failed == nil)
  end)

  it("leaves memory as it was when it cannot be resized", function()
    local p = ffi.cast("char *", C.mem_alloc(6))
    ffi.copy(p, "hello")
    C.mem_fail_after(0)
    assert.is_true(C.mem_realloc(p, 1024 * 1024) == nil)
    assert.equal("hello", ffi.string(p))
    C.mem_free(p)
  end)

  it("does not fail small fixed structures", function()
    C.mem_fail_after(0)
    local z, s = C.mem_zalloc(64), C.mem_strdup "name"
    assert.is_true(z ~= nil and s ~= nil)
    assert.equal(("\0"):rep(64), ffi.string(z, 64))
    C.mem_free(z)
    C.mem_free(s)
    assert.is_true(C.mem_alloc(1) == nil) -- the failure is still to come
  end)

  it("switches off again", function()
    C.mem_fail_after(0)
    C.mem_fail_after(-1)
    local p = C.mem_alloc(8)
    assert.is_true(p ~= nil)
    C.mem_free(p)
  end)

  it("gives a valid pointer for no bytes", function()
    local p = C.mem_alloc(0)
    assert.is_true(p ~= nil)
    C.mem_free(p)
    C.mem_free(nil)
  end)

  it("copies text with a NUL behind it", function()
    local s = C.mem_strndup("hello world", 5)
    assert.equal("hello\0", ffi.string(s, 6))
    C.mem_free(s)
  end)

  it("says what an allocation really costs: no less than was asked for", function()
    for _, n in ipairs { 1, 24, 25, 100, 4096, 1024 * 1024 } do
      local p = C.mem_alloc(n)
      local cost = tonumber(C.mem_cost(p))
      C.mem_free(p)
      assert.is_true(cost > n)
      assert.is_true(cost < 2 * n + 64)
    end
  end)

  it("leaves the heaps to whoever runs the process, if they say so", function()
    local said = { MALLOC_ARENA_MAX = "4", GLIBC_TUNABLES = "glibc.malloc.arena_max=4" }
    for name, value in pairs(said) do
      local was = os.getenv(name)
      stdlib.setenv(name, value)
      local set = C.mem_share_heap()
      stdlib.setenv(name, was)
      assert.equal(0, set)
    end
  end)
end)
