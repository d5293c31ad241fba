-- SPDX-License-Identifier: MIT

-- examples/thumbnails.lua before an nginx with pictures, which libgd makes here, too.

local ffi = require "ffi"
local nginx = require "support.nginx"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

ffi.cdef [[
typedef struct { unsigned char **pixels; int width, height; } spec_picture;
spec_picture *gdImageCreateTrueColor(int width, int height);
spec_picture *spec_from_jpeg(int size, const char *bytes) __asm__("gdImageCreateFromJpegPtr");
void *spec_jpeg(spec_picture *from, int *size, int quality) __asm__("gdImageJpegPtr");
void spec_drop(spec_picture *p) __asm__("gdImageDestroy");
]]
local gd = ffi.load "libgd.so.3"

local function jpeg(width, height)
  local size, p = ffi.new "int[1]", gd.gdImageCreateTrueColor(width, height)
  local out = gd.spec_jpeg(p, size, 90)
  gd.spec_drop(p)
  return ffi.string(out, size[0])
end

local function size_of(bytes)
  local p = gd.spec_from_jpeg(#bytes, bytes)
  assert(p ~= nil, "no JPEG")
  local width, height = p.width, p.height
  gd.spec_drop(p)
  return width, height
end

describe("examples/thumbnails.lua", function()
  local origin, n

  setup(function()
    local root = tmp.dir() .. "/"
    tmp.write(root .. "pictures/wide.jpg", jpeg(1600, 900))
    tmp.write(root .. "pictures/a line.jpg", jpeg(1000, 1))
    tmp.write(root .. "pictures/text.jpg", "no picture")
    origin = nginx.start { root = root }
    n = node.start { script = "examples/thumbnails.lua", env = { ORIGIN = origin.url } }
  end)

  teardown(function()
    rig.stop(n)
    origin:stop()
  end)

  it("gives a picture in each width, and asks for the original once", function()
    for width, height in pairs { [100] = 56, [200] = 113, [800] = 450 } do
      local res = assert(n:get("thumbnails", width .. "/pictures/wide.jpg"))
      assert.equal(200, res.status, res.body)
      assert.equal("image/jpeg", res.headers["content-type"])
      assert.same({ width, height }, { size_of(res.body) })
    end
    assert.equal(1, #origin:requests(1))
    assert.same({ 100, 1 },
      { size_of(assert(n:get("thumbnails", "100/pictures/a line.jpg")).body) })
  end)

  it("says what there is not, and what is no picture", function()
    assert.equal(404, assert(n:get("thumbnails", "123/pictures/wide.jpg")).status)
    assert.equal(404, assert(n:get("thumbnails", "100/pictures/none.jpg")).status)
    local res = assert(n:get("thumbnails", "100/pictures/text.jpg"))
    assert.same({ 502, '{"error":"pictures/text.jpg: no JPEG","code":"GETTER"}\n' },
      { res.status, res.body })
  end)
end)
