-- SPDX-License-Identifier: MIT

--- Links to nodes that can be made bad, without any right over the machine's network: a process of
-- its own (relay.lua) passes the bytes.
--
--   local l = links.new(seed)
--   l:add(address, target)    both "host:port"; connections to the address reach the target
--   l:set(address, { state="open"|"held"|"down", delay_ms=, rate=, resets= })
--                             what relay.lua says of each; not given: as a link is that is fine.
--                             The relay takes it within about 10 ms
--   l:wait()                  returns when all links can be connected to

local eventually = require "support.eventually"
local http = require "support.http"
local process = require "support.process"
local tmp = require "support.tmp"

local links = {}
links.__index = links

function links.new(seed)
  local l = setmetatable({ path = tmp.dir() .. "/links", order = {}, of = {} }, links)
  l.process = process.spawn { "luajit", "spec/chaos/relay.lua", l.path, seed }
  return l
end

function links:write()
  local text = {}
  for _, address in ipairs(self.order) do
    local o = self.of[address]
    text[#text + 1] = ("%s %s %s %d %d %d\n"):format(address, o.target, o.state or "open",
      o.delay_ms or 0, o.rate or 0, o.resets or 0)
  end
  tmp.write(self.path .. ".new", table.concat(text)) -- a rename, so nobody reads half of it
  assert(os.rename(self.path .. ".new", self.path))
end

function links:add(address, target)
  self.order[#self.order + 1] = address
  self.of[address] = { target = target }
  self:write()
end

function links:set(address, o)
  o.target = self.of[address].target
  self.of[address] = o
  self:write()
end

function links:wait()
  for _, address in ipairs(self.order) do
    eventually(function()
      local host, port = address:match "^(.+):(%d+)$"
      local conn = http.connect(host, tonumber(port), 1)
      return conn and (conn:close() or true)
    end, 10, "a relay")
  end
end

return links
