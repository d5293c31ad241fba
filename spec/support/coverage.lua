-- SPDX-License-Identifier: MIT

-- luajit coverage.lua BUILD: which lines of src/ have run, of a build with --coverage. Prints a
-- table by folder. Writes the lines that nothing reached to BUILD/unreached.txt: those that make or
-- tell of an error stand first, and are counted.

local build = assert(arg[1], "usage: luajit coverage.lua BUILD")

local lines = {} -- file -> line -> { times, text }

local function take(listing)
  local file
  for line in listing:lines() do
    local times, number, text = line:match "^%s*([^:]+):%s*(%d+):(.*)$"
    if number == "0" then
      file = text:match "^Source:(src/.*%.[ch])$" or file
      if text:match "^Source:" and not text:match "^Source:src/" then
        file = nil
      end
    elseif file and times and times ~= "-" then
      local of_file = lines[file] or {}
      lines[file] = of_file
      local n = times:match "^#+$" and 0 or tonumber((times:match "^%d+")) or 0
      local known = of_file[tonumber(number)]
      of_file[tonumber(number)] = { math.max(n, known and known[1] or 0), text }
    end
  end
end

-- What runs only if something fails.
local function is_error(text)
  for _, sign in ipairs { "error_set%(", "ERR_%u", "log_warn%(", "log_error%(", "refuse",
    "goto no_", "return NULL", "return %-1" } do
    if text:find(sign) then
      return true
    end
  end
  return false
end

local list = io.popen(("find %s -name '*.gcda'"):format(build))
for path in list:lines() do
  local listing = io.popen(("gcov -t -o %s %s 2>/dev/null"):format(path:match "(.*)/", path))
  take(listing)
  listing:close()
end
list:close()

local folders, names = {}, {}
local unreached = { {}, {} } -- error lines, others
for file, of_file in pairs(lines) do
  local folder = file:match "^(src/%w+)/" or "src"
  local f = folders[folder]
  if not f then
    f = { ran = 0, all = 0, errors = 0 }
    folders[folder] = f
    names[#names + 1] = folder
  end
  for number, line in pairs(of_file) do
    f.all = f.all + 1
    if line[1] > 0 then
      f.ran = f.ran + 1
    else
      local kind = is_error(line[2]) and 1 or 2
      f.errors = f.errors + (kind == 1 and 1 or 0)
      table.insert(unreached[kind], { file, number, line[2] })
    end
  end
end
assert(names[1], "no figures: did a program of this build run?")

local out = assert(io.open(build .. "/unreached.txt", "w"))
for kind, title in ipairs { "Lines of errors that nothing reached", "Other lines" } do
  table.sort(unreached[kind], function(a, b)
    return a[1] < b[1] or a[1] == b[1] and a[2] < b[2]
  end)
  out:write(title, "\n\n")
  for _, line in ipairs(unreached[kind]) do
    out:write(("%s:%d:%s\n"):format(unpack(line)))
  end
  out:write "\n"
end
out:close()

table.sort(names)
print(("%-12s %8s %8s %7s %s"):format("folder", "lines", "ran", "share", "error lines not reached"))
local sum = { ran = 0, all = 0, errors = 0 }
local function row(name, f)
  print(("%-12s %8d %8d %6.1f%% %d"):format(name, f.all, f.ran, 100 * f.ran / f.all, f.errors))
end
for _, name in ipairs(names) do
  row(name, folders[name])
  for key in pairs(sum) do
    sum[key] = sum[key] + folders[name][key]
  end
end
row("all", sum)
print("the lines: " .. build .. "/unreached.txt")
