-- SPDX-License-Identifier: MIT

--- Unit specs: the engine's internal functions through FFI, declared by the real headers.
--
--   local C = require("support.unit").load("cache/lru.h", "base/err.h")
--   C.lru_new(...)
--
-- The preprocessor reads the headers. Its output from src/ is declared, and of the system's headers
-- only the types that our declarations use. So prototypes cannot differ from the sources. Function
-- bodies, static assertions, _Atomic, attributes and pragmas, which FFI cannot read, are dropped.
-- Macros are not declared; unit.macro("NAME", "file.h") returns the value of a numeric macro.
--
-- unit.rounds(n) -> how often a spec does what it does n times: a tenth of that under a sanitizer,
-- and with a collector that never rests. These look at each step more closely.
--
-- The library is $BUILD/test/libgroupcache.so: src/ without src/bind/ and main.c, nothing hidden.

local ffi = require "ffi"

local unit = { build = os.getenv "BUILD" or "build" }
unit.library = unit.build .. "/test/libgroupcache.so"

pcall(ffi.cdef, "void *dlopen(const char *path, int flags);")
local RTLD_LAZY_NODELETE = 0x1001

local CLOSE = (os.getenv "SAN" or "") ~= "" or os.getenv "GC" == "1"

function unit.rounds(n)
  return CLOSE and math.ceil(n / 10) or n
end

local loaded -- the library, once
local declared = {} -- text of each declaration FFI has seen

-- Names that LuaJIT knows by itself.
local known = {}
for name in ([[size_t ssize_t ptrdiff_t wchar_t intptr_t uintptr_t va_list __builtin_va_list
  __gnuc_va_list int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t
  uint64_t]]):gmatch "%S+" do
  known[name] = true
end

local function preprocess(source)
  local input = os.tmpname()
  local f = assert(io.open(input, "w"))
  f:write(source)
  f:close()
  local flags = "-E -x c -std=c11 -D_GNU_SOURCE -DGROUPCACHE_TEST=1 -Isrc -Iproto"
  local p = assert(io.popen(("%s %s %s 2>&1"):format(os.getenv "CC" or "cc", flags, input)))
  local text = p:read "*a"
  p:close()
  os.remove(input)
  local trouble = text:match "[^\n]*error: [^\n]*"
  if trouble then
    error("cannot read the headers: " .. trouble, 0)
  end
  return text
end

-- The preprocessed text as a list of { text =, ours = } of its declarations at file level.
local function split(text)
  text = text:gsub("__attribute__%s*%b()", " "):gsub("__asm__%s*%b()", " ")
    :gsub("_Static_assert%s*%b()%s*;", " "):gsub("_Atomic%s*%(([^()]*)%)", " %1 ")
    :gsub("_Alignas%s*(%b())", "__attribute__((aligned%1))")
  local plain = { _Atomic = "", _Noreturn = "", _Thread_local = "", __extension__ = "",
    __inline = "inline", __inline__ = "inline", __restrict = "", __volatile__ = "" }
  local list, ours = {}, false
  local now, depth, body = {}, 0, false
  local now_ours

  local function feed(piece)
    if #now == 0 and piece:match "%S" then
      now_ours = ours
    end
    now[#now + 1] = piece
  end

  for line in text:gmatch "[^\n]*" do
    local file = line:match '^# %d+ "([^"]*)"'
    if file then
      ours = file:match "^%.?/?src/" ~= nil or file:match "^%.?/?proto/" ~= nil
    elseif not line:match "^%s*#" then -- no #pragma, such as in the headers of gcc 16
      line = line:gsub("[%a_][%w_]*", plain)
      local at = 1
      while at <= #line do
        local stop = line:find("[{}();]", at)
        if not stop then
          feed(line:sub(at))
          break
        end
        local c = line:sub(stop, stop)
        if c == "{" and depth == 0 then
          feed(line:sub(at, stop - 1))
          body = table.concat(now, " "):match "%)%s*$" ~= nil
          feed "{"
        else
          feed(line:sub(at, stop))
        end
        if c == "{" or c == "(" then
          depth = depth + 1
        elseif c == "}" or c == ")" then
          depth = depth - 1
        end
        if depth == 0 and ((c == "}" and body) or c == ";") then
          local decl = table.concat(now, " "):gsub("%s+", " "):gsub("^ ", "")
          if decl ~= ";" and not body then
            list[#list + 1] = { text = decl, ours = now_ours }
          end
          now, body = {}, false
        end
        at = stop + 1
      end
    end
  end
  return list
end

-- The type names and struct tags that a system declaration gives.
local function names_given(decl)
  local names = {}
  for kind, tag in decl:gmatch "%f[%a](%a+) ([%a_][%w_]*) ?{" do
    if kind == "struct" or kind == "union" or kind == "enum" then
      names[#names + 1] = kind .. " " .. tag
    end
  end
  if decl:match "^typedef " then
    local tail = decl:match "}([^}]*);$" or decl
    local name = not decl:find("{", 1, true) and decl:match "%(%s*%*%s*([%a_][%w_]*)%s*%)"
      or tail:gsub("%b[]", ""):match "([%a_][%w_]*)%s*;?%s*$"
    names[#names + 1] = name
  end
  return names
end

local function declare(text)
  if declared[text] then
    return
  end
  local ok, err = pcall(ffi.cdef, text)
  if not ok and not tostring(err):find("attempt to redefine", 1, true) then
    error(("FFI cannot read this declaration: %s\n  %s"):format(err, text), 0)
  end
  declared[text] = true
end

--- Declares what the named headers (paths below src/) declare, and returns the library.
function unit.load(...)
  local lines = {}
  for i, header in ipairs { ... } do
    lines[i] = ('#include "%s"\n'):format(header)
  end
  local list = split(preprocess(table.concat(lines)))

  local system = {}
  for _, d in ipairs(list) do
    if not d.ours then
      for _, name in ipairs(names_given(d.text)) do
        system[name] = system[name] or d.text
      end
    end
  end

  local function declare_with_needs(text)
    if declared[text] then
      return
    end
    local function need(name)
      local from = system[name]
      if from and from ~= text and not known[name] then
        system[name] = nil
        declare_with_needs(from)
      end
    end
    for kind, tag in text:gmatch "%f[%a_](%a+) ([%a_][%w_]*)" do
      need(kind .. " " .. tag)
    end
    for name in text:gmatch "[%a_][%w_]*" do
      need(name)
    end
    declare(text)
  end

  for _, d in ipairs(list) do
    if d.ours then
      declare_with_needs(d.text)
    end
  end
  if not loaded then
    -- Never unloaded, so that a leak reported at exit still has its functions' names.
    ffi.C.dlopen(unit.library, RTLD_LAZY_NODELETE)
    loaded = ffi.load(unit.library)
  end
  return loaded
end

--- The value of a macro that is a number or a constant the preprocessor can compute.
function unit.macro(name, header)
  local text = preprocess(('#include "%s"\nspec_macro_value %s\n'):format(header, name))
  local value = text:match "spec_macro_value%s+(.-)%s*$"
  assert(value and value ~= name, name .. " is no macro of " .. header)
  value = value:gsub("(%x)[uUlL]+", "%1")
  local fn = assert(loadstring("return " .. value))
  return fn()
end

return unit
