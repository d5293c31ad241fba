-- SPDX-License-Identifier: MIT

-- A node that starts marks its snapshot as not clean: from then on the file lacks changes. When
-- that failed, the node had read the values already and served on. Had it been killed, and the
-- machine started anew, the next node would have taken the file for whole, with removed values.

local ffi = require "ffi"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

ffi.cdef [[
  int memfd_create(const char *name, unsigned flags);
  int fcntl(int fd, int cmd, ...);
  long write(int fd, const void *bytes, size_t n);
  int close(int fd);
  int getpid(void);
]]

local MFD_ALLOW_SEALING, F_ADD_SEALS, F_SEAL_WRITE = 2, 1033, 8

describe("a snapshot that cannot be marked", function()
  local r, n, fd

  setup(function() r = rig.new() end)

  teardown(function()
    rig.stop(n)
    if fd then
      ffi.C.close(fd)
    end
  end)

  local function start(path, opts)
    local o = { script = r:script [[
      require("groupcache").group("g", { writable = true, getter = function(key) return key end })
    ]], args = { "--snapshot-path", path, "--snapshot-every", 0, "--workers", 1 } }
    for name, value in pairs(opts or {}) do
      o[name] = value
    end
    n = node.start(o)
  end

  it("is not read, and the log says why", function()
    local path, sealed = tmp.dir() .. "/snapshot", tmp.dir() .. "/sealed"
    start(path)
    assert.equal(200, assert(n:get("g", "k")).status)
    n:stop()

    local bytes = tmp.read(path)
    fd = ffi.C.memfd_create("snapshot", MFD_ALLOW_SEALING)
    assert.equal(#bytes, tonumber(ffi.C.write(fd, bytes, #bytes)))
    assert.equal(0, ffi.C.fcntl(fd, F_ADD_SEALS, ffi.new("int", F_SEAL_WRITE)))
    assert(require("lfs").link(("/proc/%d/fd/%d"):format(ffi.C.getpid(), fd), sealed, true))

    start(sealed, { port = n.port, self = n.self })
    assert.is_nil((n:log():find('msg="read" group=g', 1, true)))
    assert.truthy(n:logged "cannot be marked as not clean")
  end)
end)
