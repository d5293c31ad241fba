-- SPDX-License-Identifier: MIT

--- Asks a node for one kind of thing, and says how long the answers took. It is a process of its
--- own, before most others in the queue of the machine: what it measures is the node.
---
---   luajit spec/worst/prober.lua HOST PORT SECONDS OUT KIND
---
--- "hit" is the key "hit" of the group "g", each 5 ms, on a kept connection, and each 20th time on
--- a new one. "over" is a new key of the group "full", each 10 ms. A line of OUT has the status or
--- the error, and the milliseconds.

package.path = "./spec/?.lua;" .. package.path

local http = require "support.http"
local socket = require "socket"

local KINDS = {
  hit = { pause = 0.005, target = function() return "/cache/g/hit" end },
  over = { pause = 0.01, target = function(i) return "/cache/full/k" .. i end },
}

local host, port, seconds, out = arg[1], tonumber(arg[2]), tonumber(arg[3]), arg[4]
local kind = KINDS[arg[5]]
local f = assert(io.open(out, "w"))
local ends = socket.gettime() + seconds
local kept, i = nil, 0

local function drop()
  if kept then
    kept:close()
  end
  kept = nil
end

local function ask()
  local res, err
  kept = kept or http.connect(host, port, 5)
  if kept then
    res, err = kept:request { target = kind.target(i), timeout = 10 }
  end
  if not res or not res.keep_alive then
    drop()
  end
  if res and res.status == 503 and not res.headers["retry-after"] then
    return "503 without Retry-After"
  end
  return res and res.status or err or "no connection"
end

while socket.gettime() < ends do
  i = i + 1
  if i % 20 == 0 then
    drop()
  end
  local began = socket.gettime()
  local status = ask()
  f:write(("%s\t%.3f\n"):format(status, (socket.gettime() - began) * 1000))
  socket.sleep(kind.pause)
end
f:close()
