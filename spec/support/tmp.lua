-- SPDX-License-Identifier: MIT

--- Temporary folders, removed when the run ends (KEEP_TMP=1 keeps them).
--
--   tmp.dir() -> path             a new empty folder
--   tmp.file(bytes, name) -> path a file in a new folder
--   tmp.write(path, bytes)        with its folders; raises on failure
--   tmp.read(path) -> bytes       raises on failure
--   tmp.remove(path)              with everything in it

local lfs = require "lfs"
local stdlib = require "posix.stdlib"

local tmp = {}
local made = {}

function tmp.dir()
  local base = os.getenv "TMPDIR" or "/tmp"
  local path = assert(stdlib.mkdtemp(base .. "/groupcache-spec-XXXXXX"))
  made[#made + 1] = path
  return path
end

local function make_folders(path)
  if path == "" or lfs.attributes(path, "mode") == "directory" then
    return
  end
  make_folders(path:match "^(.*)/[^/]*$" or "")
  assert(lfs.mkdir(path))
end

function tmp.write(path, bytes)
  make_folders(path:match "^(.*)/[^/]*$" or "")
  local f = assert(io.open(path, "wb"))
  assert(f:write(bytes))
  assert(f:close())
end

function tmp.read(path)
  local f = assert(io.open(path, "rb"))
  local bytes = f:read "*a"
  f:close()
  return bytes
end

function tmp.file(bytes, name)
  local path = tmp.dir() .. "/" .. (name or "file")
  tmp.write(path, bytes)
  return path
end

function tmp.remove(path)
  if lfs.symlinkattributes(path, "mode") == "directory" then
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then
        tmp.remove(path .. "/" .. name)
      end
    end
    lfs.rmdir(path)
  else
    os.remove(path)
  end
end

--- Called once, at the end of the run.
function tmp.cleanup()
  if os.getenv "KEEP_TMP" then
    return
  end
  for i = #made, 1, -1 do
    tmp.remove(made[i])
    made[i] = nil
  end
end

return tmp
