-- SPDX-License-Identifier: MIT

--- Which core does what: servers and measured programs on the first, clients on the second. With
-- one core only, both share it, and the report says so.
--
--   pin.server, pin.client       numbers of cores
--   pin.shared                   true when they are the same
--   pin.on_server{ program, ... } -> the same command, pinned; options are kept
--   pin.on_client{ ... }, pin.on_both{ ... }
--   pin.self_on_client()         the conductor itself

local machine = require "bench.lib.machine"
local process = require "support.process"
local unistd = require "posix.unistd"

local cores = machine.cores()

local pin = { server = cores[1], client = cores[2] or cores[1], shared = not cores[2] }

local function pinned(command, list)
  local out = { "taskset", "-c", list }
  for name, value in pairs(command) do
    if type(name) == "string" then
      out[name] = value
    end
  end
  for _, word in ipairs(command) do
    out[#out + 1] = tostring(word)
  end
  return out
end

function pin.on_server(command)
  return pinned(command, pin.server)
end

function pin.on_client(command)
  return pinned(command, pin.client)
end

function pin.on_both(command)
  return pinned(command, pin.server .. "," .. pin.client)
end

function pin.self_on_client()
  local r = process.run { "taskset", "-pc", pin.client, unistd.getpid() }
  assert(r.code == 0, r.stderr)
end

return pin
