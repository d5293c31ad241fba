-- SPDX-License-Identifier: MIT

--- The C sources: the functions that they export, and which file uses which.
--
--   local sources = require "support.sources"
--   local tree = sources.read "src"
--   tree.files["cache/lru"]     a file: { name =, folder =, base =, paths = {...}, lines = {...},
--                               exports = { function -> path }, uses = { name of a file -> why } }
--   tree.owner["lru_get"]       "cache/lru"
--   sources.list("src", "%.h$")      paths below a folder that match one of the patterns, sorted
--   sources.matches(text, patterns)
--   sources.circles(tree, "cache")   list of lists of names: files that use each other in a circle
--
-- A header and the .c beside it are one file. An `_in.h` header is a file of its own. A file uses
-- another when it includes its header or, in its .c, calls its functions. Includes of an `_in.h`
-- header from its own folder do not count: they are only for types.
--
-- This is not a parser of C: it relies on the style of the tree, which clang-format and the
-- compiler's warnings keep.

local lfs = require "lfs"
local tmp = require "support.tmp"

local sources = {}

--- Whether a text matches one of the patterns.
function sources.matches(text, patterns)
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then
      return true
    end
  end
  return false
end

-- The text without comments, strings and preprocessor lines.
local function strip(text)
  text = text:gsub("\\\n", " ")
  local out, at = {}, 1
  while true do
    local s = text:find("[/\"']", at)
    if not s then
      out[#out + 1] = text:sub(at)
      break
    end
    out[#out + 1] = text:sub(at, s - 1)
    local c, two = text:sub(s, s), text:sub(s, s + 1)
    if two == "/*" then
      local _, e = text:find("*/", s + 2, true)
      at = e + 1
      out[#out + 1] = " "
    elseif c == "/" then
      out[#out + 1] = c
      at = s + 1
    else
      local e = s + 1
      while text:sub(e, e) ~= c do
        e = e + (text:sub(e, e) == "\\" and 2 or 1)
      end
      at = e + 1
      out[#out + 1] = c .. c
    end
  end
  return (("\n" .. table.concat(out)):gsub("\n[ \t]*#[^\n]*", "\n"))
end

-- Functions defined at file level: name -> "static" or "exported".
local function definitions(code)
  local found = {}
  code = code:gsub("__attribute__%s*%b()", " "):gsub("%b{}", "{}")
  for head in code:gmatch "([^;{}]*){}" do
    if not head:find("=", 1, true) then
      local before, name = head:match "^(.-)([%a_][%w_]*)%s*%b()%s*$"
      if name and before:match "%S" then
        found[name] = before:find "%f[%w_]static%f[^%w_]" and "static" or "exported"
      end
    end
  end
  return found
end

-- Identifiers in the code, but for members and tags of structs.
local function identifiers(code)
  local found = {}
  code = code:gsub("%->%s*[%a_][%w_]*", " "):gsub("%.%s*[%a_][%w_]*", " ")
    :gsub("%f[%w_]struct%s+[%a_][%w_]*", " "):gsub("%f[%w_]enum%s+[%a_][%w_]*", " ")
  for name in code:gmatch "[%a_][%w_]*" do
    found[name] = true
  end
  return found
end

local function file_of(path)
  return (path:gsub("^[^/]+/", ""):gsub("%.[ch]$", ""))
end

--- Paths of all files below a folder that match one of the patterns, sorted; none if there is no
--- such folder.
function sources.list(folder, ...)
  local found, patterns = {}, { ... }
  local function walk(path)
    for name in lfs.dir(path) do
      local full = path .. "/" .. name
      if name:sub(1, 1) ~= "." then
        if lfs.attributes(full, "mode") == "directory" then
          walk(full)
        elseif sources.matches(full, patterns) then
          found[#found + 1] = full
        end
      end
    end
  end
  if lfs.attributes(folder, "mode") then
    walk(folder)
  end
  table.sort(found)
  return found
end

--- Reads all sources below a folder.
function sources.read(folder)
  local tree = { files = {}, owner = {} }
  local read = {}
  for _, path in ipairs(sources.list(folder, "%.[ch]$")) do
    local name, text = file_of(path), tmp.read(path)
    local file = tree.files[name] or { name = name, folder = name:match "^(.-)/" or "",
      base = name:match "[^/]+$", paths = {}, lines = {}, exports = {}, uses = {} }
    tree.files[name] = file
    file.paths[#file.paths + 1] = path
    file.lines[path] = select(2, text:gsub("\n", ""))
    local code = strip(text)
    local one = { path = path, file = file, text = text, names = identifiers(code),
      defined = definitions(code) }
    read[#read + 1] = one
    for fn, how in pairs(one.defined) do
      if how == "exported" and fn ~= "main" then
        file.exports[fn] = path
        tree.owner[fn] = name
      end
    end
  end
  for _, one in ipairs(read) do
    local uses, own = one.file.uses, one.file.name
    for inc in one.text:gmatch '\n#include "([^"\n]+)"' do
      local other = inc:gsub("%.h$", "")
      local target = tree.files[other]
      local for_types = one.path:match "_in%.h$" and target and target.folder == one.file.folder
      if target and other ~= own and not for_types then
        uses[other] = uses[other] or "includes " .. inc
      end
    end
    for fn in pairs(one.names) do
      local owner = tree.owner[fn]
      if owner and owner ~= own and not one.defined[fn] and one.path:match "%.c$" then
        uses[owner] = "calls " .. fn .. "()"
      end
    end
  end
  return tree
end

--- Files of one folder that use each other in a circle (Tarjan's strongly connected components).
function sources.circles(tree, folder)
  local index, low, on, stack, n, found = {}, {}, {}, {}, 0, {}
  local function visit(name)
    n = n + 1
    index[name], low[name] = n, n
    stack[#stack + 1], on[name] = name, true
    for other in pairs(tree.files[name].uses) do
      if tree.files[other].folder == folder then
        if not index[other] then
          visit(other)
          low[name] = math.min(low[name], low[other])
        elseif on[other] then
          low[name] = math.min(low[name], index[other])
        end
      end
    end
    if low[name] == index[name] then
      local circle, top = {}
      repeat
        top = table.remove(stack)
        on[top] = nil
        circle[#circle + 1] = top
      until top == name
      if #circle > 1 then
        table.sort(circle)
        found[#found + 1] = circle
      end
    end
  end
  local names = {}
  for name, file in pairs(tree.files) do
    if file.folder == folder then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    if not index[name] then
      visit(name)
    end
  end
  return found
end

return sources
