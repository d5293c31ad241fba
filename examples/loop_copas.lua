-- SPDX-License-Identifier: MIT
-- loop_copas.lua: a server of copas, a program with its own event loop, that answers each line with
-- the value of that key. Run it with
--   luajit examples/loop_copas.lua 8000
--   echo any | nc 127.0.0.1 8000

local groupcache = require "groupcache"

-- The same file is the node's script, which its workers run.
if not arg then
  groupcache.group("words", { ttl = 60, getter = function(key)
    groupcache.sleep(0.5) -- a source that takes its time
    return key:upper()
  end })
  return {}
end

local copas = require "copas"
local socket = require "socket"

local node = assert(groupcache.start { script = arg[0], listen = "127.0.0.1:0" })
local words = node:group "words"

-- As words:get(key), but the other coroutines of copas run meanwhile.
local function get(key)
  local get_begun = words:start(key)
  local value, message, code = copas.receive(get_begun)
  get_begun:close()
  return value, message, code
end

local server = assert(socket.bind("127.0.0.1", tonumber(arg[1] or 8000)))
copas.addserver(server, function(client)
  for key in function() return copas.receive(client) end do
    if key == "ping" then
      copas.send(client, "pong\n")
    else
      local value, message = get(key)
      copas.send(client, (value or message) .. "\n")
    end
  end
  client:close()
end)

print "ready"
io.stdout:flush()
copas.loop()
