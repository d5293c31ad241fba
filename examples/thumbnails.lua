-- SPDX-License-Identifier: MIT
-- thumbnails.lua: pictures of a site in three widths, made with libgd (Debian: libgd3) through FFI.
-- A VM makes one at a time. There are three sizes only, or one picture could fill the cache. The
-- site must be trusted: libgd takes 4 bytes for each pixel that a file claims to have.
--   ORIGIN=http://127.0.0.1:9000 build/bin/groupcached examples/thumbnails.lua
--   curl -o small.jpg http://127.0.0.1:8080/cache/thumbnails/200/pictures/17.jpg

local ffi = require "ffi"
local groupcache = require "groupcache"
local http = require "groupcache.http"

ffi.cdef [[
typedef struct { unsigned char **pixels; int width, height; } picture; // the head of gdImage
picture *gdImageCreateFromJpegPtr(int size, const char *bytes);
picture *gdImageScale(const picture *from, unsigned width, unsigned height);
void *gdImageJpegPtr(picture *from, int *size, int quality);
void gdImageDestroy(picture *p);
void gdFree(void *bytes);
]]
local gd = ffi.load "libgd.so.3"
local ORIGIN = os.getenv "ORIGIN" or "http://127.0.0.1:9000"
local WIDTHS = { ["100"] = 100, ["200"] = 200, ["800"] = 800 }

local originals = groupcache.group("originals", {
  ttl = 3600, negative_ttl = 60, max_value_bytes = "16MB", hot = "never",
  getter = function(path)
    if path:find("..", 1, true) then return nil end
    local url = ORIGIN .. "/" .. path:gsub("[^/]+", http.escape)
    local res, err, code = http.get(url, { timeout = 3 })
    if not res then return nil, err, code end
    if res.status == 404 then return nil end
    if res.status ~= 200 then return nil, "the origin says " .. res.status end
    return res.body
  end,
})

local function own(p, free) return p ~= nil and ffi.gc(p, free) or nil end

-- Of bytes that are a JPEG; or nil, what is wrong.
local function shrink(bytes, width)
  local from = own(gd.gdImageCreateFromJpegPtr(#bytes, bytes), gd.gdImageDestroy)
  if not from then return nil, "no JPEG" end
  local height = math.max(1, math.floor(from.height * width / from.width + 0.5))
  local to = own(gd.gdImageScale(from, width, height), gd.gdImageDestroy)
  local size = ffi.new "int[1]"
  local out = to and own(gd.gdImageJpegPtr(to, size, 80), gd.gdFree)
  return out and ffi.string(out, size[0]), "no memory for a picture"
end

groupcache.group("thumbnails", {
  ttl = 3600, negative_ttl = 60, content_type = "image/jpeg", stale_if_error = 86400,
  getter = function(key)
    local width, path = key:match "^(%d+)/(.+)$"
    if not WIDTHS[width] then return nil end
    local bytes, err, code = originals:get(path)
    if not bytes then return nil, err, code end
    local small, wrong = shrink(bytes, WIDTHS[width])
    return small, not small and path .. ": " .. wrong or nil
  end,
})
