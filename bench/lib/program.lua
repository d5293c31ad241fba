-- SPDX-License-Identifier: MIT

--- Programs that measure themselves and say what they found in one line of standard output:
-- "bench name=number name=number ...".
--
--   program.parse(text) -> { name = number }, raises when there is no such line
--   program.run(command) -> the same, of a program that is run to its end
--   program.built(name) -> path of one that `make bench` builds; raises when it is not there

local lfs = require "lfs"
local process = require "support.process"

local program = { build = os.getenv "BUILD" or "build" }

function program.parse(text)
  local line = ("\n" .. text):match "\nbench ([^\n]*)"
  if not line then
    error("it printed no figures: " .. text:sub(1, 500), 2)
  end
  local figures = {}
  for name, number in line:gmatch "([%w_]+)=(%S+)" do
    figures[name] = tonumber(number)
  end
  return figures
end

function program.run(command)
  command.timeout = command.timeout or 600
  local r = process.run(command)
  if r.code ~= 0 then
    error(("%s ended with %s: %s"):format(table.concat(command, " "), r.code or r.signal, r.stderr))
  end
  return program.parse(r.stdout)
end

function program.built(name)
  local path = program.build .. "/bench/" .. name
  if not lfs.attributes(path, "mode") then
    error(("%s was not built"):format(path), 0)
  end
  return path
end

return program
