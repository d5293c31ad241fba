-- SPDX-License-Identifier: MIT
-- files.lua: the files of a folder that are listed in its SHA256SUMS. Each is checked against its
-- sum before it is served; a half-copied file is an error, and not cached. To try it:
--   (cd FOLDER && sha256sum * >SHA256SUMS)
--   ROOT=FOLDER build/bin/groupcached examples/files.lua
--   curl -i http://127.0.0.1:8080/cache/files/NAME
-- A file with another sum: 502 {"error":"NAME is not what SHA256SUMS says","code":"GETTER"}

local groupcache = require "groupcache"
local ffi = require "ffi"

ffi.cdef "unsigned char *SHA256(const char *bytes, size_t count, unsigned char *sum);"
local crypto = ffi.load("libcrypto.so.3") -- any C library works that does not wait
local ROOT = (os.getenv("ROOT") or ".") .. "/"

local function read(name)
  local file = io.open(ROOT .. name, "rb")
  local bytes = file and file:read("*a")
  if file then file:close() end
  return bytes, "cannot read " .. name
end

local function sha256(bytes)
  local sum = ffi.string(crypto.SHA256(bytes, #bytes, ffi.new("unsigned char[32]")), 32)
  return (sum:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

groupcache.group("files", { ttl = 60, getter = function(key)
  local list, err = read("SHA256SUMS")
  if not list then return nil, err end
  for sum, name in list:gmatch("(%x+) [ *]([^\n]+)") do
    if name == key then -- only listed files are opened, not ../../etc/passwd
      local bytes, why = read(name)
      if not bytes then return nil, why end
      if sha256(bytes) ~= sum then return nil, name .. " is not what SHA256SUMS says" end
      return bytes
    end
  end
end })
