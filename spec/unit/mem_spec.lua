-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local process = require "support.process"
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

  -- What the kernel says of the memory at an address: VmFlags of /proc/self/smaps.
  local function flags_at(address)
    local here
    for line in io.lines "/proc/self/smaps" do
      local from, to = line:match "^(%x+)%-(%x+) "
      if from then
        here = tonumber(from, 16) <= address and address < tonumber(to, 16)
      elseif here and line:find "^VmFlags:" then
        return line .. " "
      end
    end
    return ""
  end

  -- The bytes of the heap that are in large pages.
  local function joined()
    local here, kb
    for line in io.lines "/proc/self/smaps" do
      if line:find "^%x+%-%x+ " then
        here = line:find("[heap]", 1, true)
      elseif here then
        kb = line:match "^AnonHugePages:%s+(%d+)" or kb
      end
    end
    return kb and tonumber(kb) * 1024
  end

  -- Whether the kernel joins pages, and has some to spare.
  local function can_join()
    ffi.cdef [[
      void *mmap(void *at, size_t n, int rights, int flags, int fd, long offset);
      int munmap(void *p, size_t n);
      int madvise(void *p, size_t n, int advice);
    ]]
    local n, page = 2 ^ 23, 2 ^ 21
    local p = ffi.cast("char *", ffi.C.mmap(nil, n, 3, 0x22, -1, 0))
    ffi.fill(p, n, 1)
    local at = p + (page - tonumber(ffi.cast("uintptr_t", p) % page)) % page
    local can = ffi.C.madvise(at, page, 25) == 0
    ffi.C.munmap(p, n)
    return can
  end

  it("has its heap joined into large pages as it grows, and changes no byte", function()
    ffi.cdef "void *sbrk(intptr_t more);"
    local blocks, first, i = {}, joined(), 0
    local top = ffi.cast("char *", ffi.C.sbrk(0))
    repeat -- other specs may have left room in the heap, which is used first
      i = i + 1
      local p = ffi.cast("char *", C.mem_alloc(500))
      ffi.fill(p, 500, i % 251)
      C.mem_join_pages(p)
      blocks[i] = p
    until ffi.cast("char *", ffi.C.sbrk(0)) - top >= 32 * 2 ^ 20 or i == 2 ^ 19
    local last = joined()
    for at, p in ipairs(blocks) do
      assert.is_true(p[0] == ffi.cast("char", at % 251) and p[499] == p[0])
      C.mem_free(p)
    end
    if not first or (os.getenv "SAN" or "") ~= "" or not can_join() then
      pending "the kernel joins no pages here"
    end
    assert.is_true(last - first >= 4 * 2 ^ 21, last - first)
  end)

  it("has large memory mapped in large pages, and no other", function()
    if not io.open "/sys/kernel/mm/transparent_hugepage/enabled" then
      pending "the kernel has no large pages"
    end
    local MB = 1024 * 1024
    for _, case in ipairs { { 64 * MB, true }, { 1 * MB, false } } do
      local p = C.mem_alloc(case[1])
      C.mem_use_large_pages(p, case[1])
      local middle = tonumber(ffi.cast("uintptr_t", p)) + case[1] / 2
      assert.equal(case[2], flags_at(middle):find " hg " ~= nil)
      C.mem_free(p)
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

-- In a process of its own, since its allocator is set.
local MAPPED = [[
package.path = "spec/?.lua;" .. package.path
local ffi = require "ffi"
local C = require("support.unit").load "base/mem.h"
ffi.cdef "typedef struct { size_t before[3], hblks, behind[6]; } seen; seen mallinfo2(void);"
assert(C.mem_share_heap() == 1)
local before = ffi.C.mallinfo2().hblks
for round = 1, 3 do -- a threshold that moves would move when a block is freed
  local large, small = C.mem_alloc(C.MEM_MAPPED), C.mem_alloc(C.MEM_MAPPED - 4096)
  io.write(tonumber(ffi.C.mallinfo2().hblks - before), " ")
  C.mem_free(large)
  C.mem_free(small)
end
]]

describe("the shared heap", function()
  it("has no large blocks, also once some were freed", function()
    if (os.getenv "SAN" or "") ~= "" then
      pending "a sanitizer has an allocator of its own"
      return
    end
    local out = process.run { "env", "-u", "MALLOC_ARENA_MAX", "-u", "GLIBC_TUNABLES", "luajit",
      "-joff", "-e", MAPPED }
    assert.equal("1 1 1 ", out.stdout, out.stderr)
  end)
end)

-- In a process of its own, which may have little memory: nothing but the reserve is left.
local SHORT = [[
package.path = "spec/?.lua;" .. package.path
local ffi = require "ffi"
local C = require("support.unit").load "base/mem.h"
ffi.cdef "int setrlimit(int what, const unsigned long *limit);"
local function pages() return tonumber(io.open("/proc/self/statm"):read "*n") end


-- LuaJIT itself gets what it will need: later there is nothing.
local rest = {}
for i = 1, 20000 do rest[i] = ffi.new "void *[1]" end
rest = nil
collectgarbage()

C.mem_refill()
assert(C.mem_is_short() == 0)
local all, n = ffi.new "void *[100000]", 0
assert(ffi.C.setrlimit(9, ffi.new("unsigned long[2]", pages() * 4096 + 2e7, -1)) == 0) -- RLIMIT_AS
for _, size in ipairs { 1000000, 100000, 10000, 1000, 200 } do
  while true do
    local p = C.mem_alloc(size)
    if p == nil then break end
    all[n], n = p, n + 1
  end
end
local small, s = ffi.new "void *[2000]", 0
while C.mem_is_short() == 0 do
  small[s], s = C.mem_zalloc(1000), s + 1
end
for i = 0, n - 1 do C.mem_free(all[i]) end
for i = 0, s - 1 do C.mem_free(small[i]) end
C.mem_refill()
assert(C.mem_is_short() == 0)
io.write(s)
]]

describe("the reserve", function()
  it("gives small structures half of it before work is refused, and is filled again", function()
    if (os.getenv "SAN" or "") ~= "" then
      pending "a sanitizer needs address space"
      return
    end
    local res = process.run { "luajit", "-e", SHORT }
    assert.equal(0, res.code, res.stderr)
    local given = tonumber(res.stdout)
    assert(given * 1000 > tonumber(C.MEM_RESERVE) / 4, res.stdout)
  end)
end)
