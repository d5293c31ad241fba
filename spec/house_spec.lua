-- SPDX-License-Identifier: MIT

-- The rules of the house that a program can check: who may include whom, header guards, headers
-- that compile alone, a licence line in every file.

local lfs = require "lfs"
local process = require "support.process"
local tmp = require "support.tmp"

-- Folder of src/ -> the folders whose headers it may include; "main" is src/main.c.
local ARROWS = {
  base = {},
  cache = { "base" },
  wire = { "base", "proto" },
  net = { "base", "cache", "wire" },
  script = { "base", "cache", "net" },
  node = { "base", "cache", "wire", "net", "script" },
  bind = { "base", "cache", "wire", "net", "script", "node" },
  main = { "base", "node", "bind" },
}

-- Third-party header, or one of ours that includes it -> patterns of the sources that may do so.
local ROOMS = {
  ["^microhttpd%.h$"] = { "^src/net/server[%w_]*%.c$" },
  ["^curl/"] = { "^src/net/net%.c$", "^src/net/net_curl%.h$", "^src/net/fetch%.c$" },
  ["^net/net_curl%.h$"] = { "^src/net/net%.c$", "^src/net/fetch%.c$" },
  ["^zlib%.h$"] = { "^src/net/inflate%.c$" },
  ["^protobuf%-c/"] = { "^src/wire/[%w_]+%.c$", "^proto/" },
  ["%.pb%-c%.h$"] = { "^src/wire/[%w_]+%.c$", "^proto/" },
  ["^lua%.h$"] = { "^src/script/[%w_]+%.c$", "^src/bind/[%w_]+%.[ch]$", "^src/main%.c$" },
  ["^lauxlib%.h$"] = { "^src/script/[%w_]+%.c$", "^src/bind/[%w_]+%.[ch]$", "^src/main%.c$" },
  ["^lualib%.h$"] = { "^src/script/[%w_]+%.c$", "^src/bind/[%w_]+%.c$", "^src/main%.c$" },
  ["^luajit%.h$"] = { "^src/script/[%w_]+%.c$", "^src/bind/[%w_]+%.c$", "^src/main%.c$" },
}

-- All files below a folder whose path matches one of the patterns, sorted.
local function files(folder, ...)
  local found, patterns = {}, { ... }
  local function walk(path)
    if not lfs.attributes(path, "mode") then
      return
    end
    for name in lfs.dir(path) do
      local full = path .. "/" .. name
      if name:sub(1, 1) ~= "." then
        if lfs.attributes(full, "mode") == "directory" then
          walk(full)
        else
          for _, pattern in ipairs(patterns) do
            if full:find(pattern) then
              found[#found + 1] = full
              break
            end
          end
        end
      end
    end
  end
  walk(folder)
  table.sort(found)
  return found
end

-- The room a source belongs to: its folder below src/, or "main".
local function room_of(path)
  return path:match "^src/([^/]+)/" or "main"
end

local function contains(list, value)
  for _, v in ipairs(list) do
    if v == value then
      return true
    end
  end
  return false
end

local function matches_any(text, patterns)
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then
      return true
    end
  end
  return false
end

local function includes(path)
  local list, number = {}, 0
  for line in io.lines(path) do
    number = number + 1
    local name = line:match '^%s*#%s*include%s*[<"]([^>"]+)[>"]'
    if name then
      list[#list + 1] = { name = name, place = path .. ":" .. number }
    end
  end
  return list
end

-- Fails with all complaints at once.
local function none(complaints)
  assert(#complaints == 0, "\n" .. table.concat(complaints, "\n"))
end

local sources = files("src", "%.[ch]$")
local headers = files("src", "%.h$")

describe("the house", function()
  it("has something to look at", function()
    assert.is_true(#sources > 0)
  end)

  it("knows every folder of src", function()
    local bad = {}
    for _, path in ipairs(sources) do
      if not ARROWS[room_of(path)] or room_of(path) == "main" and path ~= "src/main.c" then
        bad[#bad + 1] = path .. " is in no known room"
      end
    end
    none(bad)
  end)

  it("includes downwards only", function()
    local bad = {}
    for _, path in ipairs(sources) do
      local room = room_of(path)
      for _, inc in ipairs(includes(path)) do
        local target = inc.name:match "^([^/]+)/[^/]+%.h$"
        local other = target and ARROWS[target] and target ~= room
        if other and not contains(ARROWS[room] or {}, target) then
          bad[#bad + 1] = ("%s: %s may not use %s"):format(inc.place, room, inc.name)
        end
      end
    end
    none(bad)
  end)

  it("names its own headers from src, so that a folder shows in every include", function()
    local bad = {}
    for _, path in ipairs(sources) do
      for _, inc in ipairs(includes(path)) do
        local beside = path:match "^(.*/)" .. inc.name
        if not inc.name:find("/", 1, true) and lfs.attributes(beside, "mode") then
          bad[#bad + 1] = ("%s: say %s"):format(inc.place, beside:gsub("^src/", ""))
        end
      end
    end
    none(bad)
  end)

  it("keeps third-party headers in their rooms", function()
    local bad = {}
    for _, path in ipairs(sources) do
      for _, inc in ipairs(includes(path)) do
        for pattern, rooms in pairs(ROOMS) do
          if inc.name:find(pattern) and not matches_any(path, rooms) then
            bad[#bad + 1] = ("%s: %s does not belong here"):format(inc.place, inc.name)
          end
        end
      end
    end
    none(bad)
  end)

  it("guards every header by the file's name", function()
    local bad = {}
    for _, path in ipairs(headers) do
      local guard = path:match "([^/]+)%.h$":upper():gsub("%W", "_") .. "_H"
      local text = tmp.read(path)
      if not text:find("\n#ifndef " .. guard .. "\n#define " .. guard .. "\n", 1, true) then
        bad[#bad + 1] = path .. ": no guard " .. guard
      end
    end
    none(bad)
  end)

  it("has headers that compile alone", function()
    local bad = {}
    local luajit = process.run({ "pkg-config", "--cflags-only-I", "luajit" }).stdout:match("%S+")
    for _, path in ipairs(headers) do
      local r = process.run { os.getenv "CC" or "cc", "-std=c11", "-D_GNU_SOURCE", "-Wall",
        "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unused-const-variable", "-Isrc",
        "-Iproto", luajit or "-Isrc", "-fsyntax-only", "-x", "c", "-include", path, "/dev/null" }
      if r.code ~= 0 then
        bad[#bad + 1] = path .. ":\n" .. r.stderr
      end
    end
    none(bad)
  end)

  it("has a licence line in every source", function()
    local list = files("src", "%.[ch]$")
    for _, more in ipairs {
      files("lua", "%.lua$"), files("spec", "%.lua$", "%.go$", "%.sh$", "%.c$", "%.py$"),
      files("examples", "%.lua$", "%.sh$"), files("bench", "%.lua$", "%.sh$", "%.go$", "%.c$"),
      files("rockspec", "%.rockspec$"), files("proto", "%.proto$"),
      { "Makefile", ".ci/run", ".ci/deps", ".busted", ".luacheckrc" },
    } do
      for _, path in ipairs(more) do
        list[#list + 1] = path
      end
    end
    local bad = {}
    for _, path in ipairs(list) do
      if not tmp.read(path):sub(1, 400):find("SPDX-License-Identifier: MIT\n", 1, true)
        and not tmp.read(path):sub(1, 400):find("SPDX%-License%-Identifier: MIT %*/") then
        bad[#bad + 1] = path
      end
    end
    none(bad)
  end)
end)
