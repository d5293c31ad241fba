-- SPDX-License-Identifier: MIT

local engine = require "unit.engine"
local ffi = require "ffi"
local lfs = require "lfs"
local tmp = require "support.tmp"
local C = require("support.unit").load("store/snapshot_write.h", "store/snapshot.h", "base/err.h",
  "base/clock.h", "cache/group.h")

describe("a snapshot that is written", function()
  local g, path
  local e = ffi.new "struct error"

  before_each(function()
    g = engine.group()
    path = tmp.dir() .. "/snapshot"
  end)

  after_each(function()
    g:ended()
  end)

  local function open()
    local o = ffi.new "struct snapshot_write_opts"
    o.path, o.dialect = path, "golang"
    return C.snapshot_write_open(o, e), o
  end

  it("takes its place when it is whole", function()
    for i = 1, 10 do
      g:get("k" .. i)
      g:finish(g.loads[1], "value" .. i)
    end
    local w = open()
    assert.equal(0, tonumber(C.snapshot_write_group(w, g.c, 0, e)))
    assert.is_nil(lfs.attributes(path, "mode"))
    assert.equal(10ULL, C.snapshot_write_items(w))
    assert.equal(0, tonumber(C.snapshot_write_end(w, e)))
    assert.is_nil(lfs.attributes(path .. ".new", "mode"))
    assert.equal("GCSNAP\r\n", tmp.read(path):sub(1, 8))
    assert.matches("k10value10", tmp.read(path), 1, true)
  end)

  it("has no age of a value that is loaded while it is written", function()
    local w = open()
    C.clock_advance(5000)
    g:get "late"
    g:finish(g.loads[1], "value")
    assert.equal(0, tonumber(C.snapshot_write_group(w, g.c, 0, e)))
    assert.equal(0, tonumber(C.snapshot_write_end(w, e)))
    local bytes = tmp.read(path)
    local record = ffi.new "struct snapshot_record"
    local at = bytes:find("latevalue", 1, true) - 1 - ffi.sizeof(record)
    ffi.copy(record, bytes:sub(at + 1), ffi.sizeof(record))
    assert.same({ 4, 5, 0 }, { record.key_len, record.value_len, record.age_s })
  end)

  it("that is dropped leaves the old one", function()
    tmp.write(path, "old")
    local w = open()
    C.snapshot_write_drop(w)
    C.snapshot_write_drop(nil)
    assert.equal("old", tmp.read(path))
    assert.is_nil(lfs.attributes(path .. ".new", "mode"))
  end)

  it("says why it cannot be written", function()
    path = "/nowhere/snapshot"
    assert.is_true(open() == nil)
    assert.equal("/nowhere/snapshot.new: No such file or directory", ffi.string(e.msg))
  end)
end)
