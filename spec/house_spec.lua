-- SPDX-License-Identifier: MIT

-- The rules of the house that a program can check: who may use whom, names, sizes, unit specs,
-- header guards, headers that compile alone, a licence line in every file.

local lfs = require "lfs"
local process = require "support.process"
local prose = require "support.prose"
local sources_of = require "support.sources"
local tmp = require "support.tmp"

local files = sources_of.list

-- Folder of src/ -> the folders that it uses, all of them; "main" is src/main.c.
local ARROWS = {
  base = {},
  cache = { "base" },
  wire = { "base" },
  net = { "base" },
  peer = { "base", "cache", "wire", "net" },
  change = { "base", "cache", "wire", "peer" },
  store = { "base", "cache" },
  http = { "base", "cache", "wire", "change" },
  script = { "base", "cache" },
  node = { "base", "cache", "wire", "net", "peer", "change", "store", "http", "script" },
  bind = { "base", "cache", "wire", "net", "change", "script", "node" },
  main = { "base", "bind" },
}

-- Circles among the files of a folder that are still there: this table may only get shorter.
local CIRCLES = {}

-- Files that are longer than MAX_LINES: this table may only get shorter.
local MAX_LINES = 600
local LONG = {}

-- The most words of a sentence in comments and docs. Aim for 25.
local MAX_WORDS = 30

-- An exported function has the name of its file in front: lru.c has lru_*, and lrus_* for a set of
-- them; peer/get.c may say peer_get_*. These have not; there may only be fewer.
local MOST_EXCEPTIONS = 20
local EXCEPTIONS = {
  ["base/err"] = { "error_set" }, -- of struct error
  ["bind/open"] = { "luaopen_groupcache_core" }, -- Lua's own rule
  -- What a group is asked for by all the rest, by one name; its files are parts of one module.
  ["cache/group_change"] = { "group_flush", "group_remove", "group_set" },
  ["cache/group_end"] = { "group_finish_error", "group_finish_value" },
  ["cache/group_load"] = { "group_close", "group_fallback", "group_finish", "group_tick" },
  ["cache/group_look"] = { "group_configure", "group_lookup", "group_peek", "group_stats" },
  ["cache/group_wait"] = { "group_get" },
  ["peer/get"] = { "peer_recognise" },
  ["peer/peers"] = { "peer_ref", "peer_unref" }, -- one of them
}

-- Folders whose modules have a unit spec each, and the modules that have none yet: this table may
-- only get shorter.
local WITH_UNIT_SPECS = { base = true, cache = true, wire = true, peer = true, change = true,
  store = true }
local WITHOUT_SPEC = {
  ["cache/after"] = true, -- within a group only: group_spec
  ["cache/reader_hits"] = true, -- within a reader only: reader_spec
  ["change/change"] = true,
  ["peer/batch"] = true,
  ["peer/get"] = true,
  ["peer/queue"] = true,
  ["peer/tell"] = true,
}

-- Third-party header, or one of ours that includes it -> patterns of the sources that may do so.
local ROOMS = {
  ["^microhttpd%.h$"] = { "^src/http/[%w_]+%.c$" },
  ["^curl/"] = { "^src/net/net%.c$", "^src/net/net_lane%.[ch]$", "^src/net/net_curl%.h$",
    "^src/net/fetch[%w_]*%.[ch]$", "^src/net/passport%.[ch]$" },
  ["^net/passport%.h$"] = { "^src/net/net%.c$", "^src/net/fetch%.c$", "^src/net/passport%.c$" },
  ["^gnutls/"] = { "^src/http/tls%.c$", "^src/http/credentials%.c$", "^src/wire/auth%.c$" },
  ["^net/net_curl%.h$"] = { "^src/net/net%.c$", "^src/net/fetch[%w_]*%.[ch]$" },
  ["^zlib%.h$"] = { "^src/net/inflate%.c$", "^src/cache/packed%.c$" },
  ["^brotli/"] = { "^src/net/brotli%.c$" },
  ["^zstd%.h$"] = { "^src/net/zst%.c$", "^src/cache/packed%.c$" },
  ["^protobuf%-c/"] = { "^src/wire/[%w_]+%.c$", "^proto/" },
  ["%.pb%-c%.h$"] = { "^src/wire/[%w_]+%.c$", "^proto/" },
  ["^lua%.h$"] = { "^src/script/[%w_]+%.c$", "^src/bind/[%w_]+%.[ch]$", "^src/main%.c$" },
  ["^lauxlib%.h$"] = { "^src/script/[%w_]+%.c$", "^src/bind/[%w_]+%.[ch]$", "^src/main%.c$" },
  ["^lualib%.h$"] = { "^src/script/[%w_]+%.c$", "^src/bind/[%w_]+%.c$", "^src/main%.c$" },
  ["^luajit%.h$"] = { "^src/script/[%w_]+%.c$", "^src/bind/[%w_]+%.c$", "^src/main%.c$" },
}

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

-- Complains of entries in a table of exceptions that are no longer needed.
local function still_needed(complaints, exceptions, seen, what)
  for key in pairs(exceptions) do
    if not seen[key] then
      complaints[#complaints + 1] = ("%s: %s, take it out of the table"):format(key, what)
    end
  end
end

local function starts_with(text, start)
  return text:sub(1, #start) == start
end

-- Whether a function has the name of its file in front.
local function has_prefix(fn, file)
  for _, prefix in ipairs { file.base, file.folder .. "_" .. file.base } do
    if fn == prefix or starts_with(fn, prefix .. "_") or starts_with(fn, prefix .. "s_") then
      return true
    end
  end
  return false
end

-- The unit spec of a file: of its name, and it loads a header of its folder.
local function has_unit_spec(file)
  local base = file.base
  local owner = base:match "^(.*)_[^_]+$"
  local has_header = #file.paths > 1 or file.paths[1]:match "%.h$"
  local names = { base, file.folder .. "_" .. base }
  if not has_header and owner then -- a part of the module whose header declares it
    names[3] = owner
  end
  for _, name in ipairs(names) do
    local path = "spec/unit/" .. name .. "_spec.lua"
    if lfs.attributes(path, "mode") then
      local text = tmp.read(path)
      if text:find('"' .. file.folder .. "/", 1, true) or text:find("unit.engine", 1, true) then
        return true
      end
    end
  end
  return false
end

local sources = files("src", "%.[ch]$")
local headers = files("src", "%.h$")
local tree = sources_of.read "src"

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

  -- folder -> folder that one of its files uses -> why
  local function arrows()
    local used = {}
    for name, file in pairs(tree.files) do
      local room = file.folder == "" and "main" or file.folder
      used[room] = used[room] or {}
      for other, why in pairs(file.uses) do
        local target = tree.files[other].folder
        if target ~= file.folder then
          used[room][target] = name .. " " .. why
        end
      end
    end
    return used
  end

  it("uses downwards only", function()
    local bad = {}
    for room, targets in pairs(arrows()) do
      for target, why in pairs(targets) do
        if not contains(ARROWS[room] or {}, target) then
          bad[#bad + 1] = ("%s may not use %s: %s"):format(room, target, why)
        end
      end
    end
    none(bad)
  end)

  it("has no arrow that nobody uses", function()
    local bad, used = {}, arrows()
    for room, targets in pairs(ARROWS) do
      for _, target in ipairs(targets) do
        if not (used[room] or {})[target] then
          bad[#bad + 1] = ("no file of %s uses %s"):format(room, target)
        end
      end
    end
    none(bad)
  end)

  it("has no circle of folders", function()
    local seen = {}
    local function visit(room, path)
      assert.is_nil(path[room], room .. " uses itself")
      if seen[room] then
        return
      end
      seen[room], path[room] = true, true
      for _, target in ipairs(ARROWS[room]) do
        visit(target, path)
      end
      path[room] = nil
    end
    for room in pairs(ARROWS) do
      visit(room, {})
    end
  end)

  it("has no circle among the files of a folder", function()
    local bad, seen = {}, {}
    for room in pairs(ARROWS) do
      for _, circle in ipairs(sources_of.circles(tree, room)) do
        local names = table.concat(circle, " ")
        seen[names] = true
        if not CIRCLES[names] then
          bad[#bad + 1] = "a circle: " .. names
          for _, from in ipairs(circle) do
            for other, why in pairs(tree.files[from].uses) do
              if contains(circle, other) then
                bad[#bad + 1] = ("  %s uses %s: %s"):format(from, other, why)
              end
            end
          end
        end
      end
    end
    still_needed(bad, CIRCLES, seen, "no circle")
    none(bad)
  end)

  it("names specs in its documents that there are", function()
    local bad, count = {}, 0
    for _, dir in ipairs { "docs", "docs/design" } do
      for name in lfs.dir(dir) do
        for spec in (name:find "%.md$" and tmp.read(dir .. "/" .. name) or "")
          :gmatch "spec/[%w_/.-]+_spec%.lua" do
          count = count + 1
          if not lfs.attributes(spec, "mode") then
            bad[#bad + 1] = ("%s/%s: there is no %s"):format(dir, name, spec)
          end
        end
      end
    end
    assert(count > 50, count)
    none(bad)
  end)

  it("has no file that is too long", function()
    local bad, seen = {}, {}
    for _, file in pairs(tree.files) do
      for path, lines in pairs(file.lines) do
        if lines > MAX_LINES then
          seen[path] = true
          if not LONG[path] then
            bad[#bad + 1] = ("%s has %d lines, %d are the most"):format(path, lines, MAX_LINES)
          end
        end
      end
    end
    still_needed(bad, LONG, seen, "short enough")
    none(bad)
  end)

  it("names exported functions after their file", function()
    local bad, count = {}, 0
    for name, file in pairs(tree.files) do
      local odd = {}
      for fn, path in pairs(file.exports) do
        if not has_prefix(fn, file) then
          odd[fn] = true
          if not contains(EXCEPTIONS[name] or {}, fn) then
            bad[#bad + 1] = ("%s: %s() has not the name of its file in front"):format(path, fn)
          end
        end
      end
      for _, fn in ipairs(EXCEPTIONS[name] or {}) do
        count = count + 1
        if not odd[fn] then
          bad[#bad + 1] = ("%s: %s() is no exception, take it out of the table"):format(name, fn)
        end
      end
    end
    for name in pairs(EXCEPTIONS) do
      if not tree.files[name] then
        bad[#bad + 1] = name .. " is no file, take it out of the table"
      end
    end
    none(bad)
    assert.is_true(count <= MOST_EXCEPTIONS, count .. " exceptions")
  end)

  it("has a unit spec for each module of the lower floors", function()
    local bad, seen = {}, {}
    for name, file in pairs(tree.files) do
      if WITH_UNIT_SPECS[file.folder] and next(file.exports) and not has_unit_spec(file) then
        seen[name] = true
        if not WITHOUT_SPEC[name] then
          bad[#bad + 1] = name .. " has no unit spec"
        end
      end
    end
    still_needed(bad, WITHOUT_SPEC, seen, "has a unit spec")
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
          if inc.name:find(pattern) and not sources_of.matches(path, rooms) then
            bad[#bad + 1] = ("%s: %s does not belong here"):format(inc.place, inc.name)
          end
        end
      end
    end
    none(bad)
  end)

  it("reads clocks in one place", function()
    local bad = {}
    for _, path in ipairs(sources) do
      if path ~= "src/base/clock.c" and tmp.read(path):find "clock_gettime" then
        bad[#bad + 1] = path .. ": base/clock has all clocks"
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

  it("has no sentence that is too long", function()
    local bad = {}
    local paths = { "README.md", "HACKING.md" }
    for _, folder in ipairs { "src", "lua", "spec", "bench", "examples", "docs" } do
      for _, path in ipairs(files(folder, "%.[ch]$", "%.lua$", "%.md$")) do
        paths[#paths + 1] = path
      end
    end
    for _, path in ipairs(paths) do
      for _, sentence in ipairs(prose.sentences(path)) do
        if sentence.words > MAX_WORDS then
          bad[#bad + 1] = ("%s:%d: %d words: %s"):format(path, sentence.line, sentence.words,
            sentence.text)
        end
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
      { "Makefile", ".ci/run", ".ci/deps", ".busted", ".luacheckrc", ".gdbinit",
        "gdb/groupcache.py" },
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
