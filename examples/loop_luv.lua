-- SPDX-License-Identifier: MIT
-- loop_luv.lua: a server of luv, a program with its own event loop, that answers each line with the
-- value of that key. Run it with
--   luajit examples/loop_luv.lua 8000
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

local uv = require "luv"

local node = assert(groupcache.start { script = arg[0], listen = "127.0.0.1:0" })
local words = node:group "words"

-- Calls back with the results of words:get(key) once they are known.
local function get(key, callback)
  local get_begun = words:start(key)
  if get_begun:done() then
    return callback(get_begun:result())
  end
  local poll = uv.new_poll(get_begun:pollfd())
  poll:start("r", function()
    poll:stop()
    poll:close(function() get_begun:close() end)
    callback(get_begun:result())
  end)
end

local server = uv.new_tcp()
server:bind("127.0.0.1", tonumber(arg[1] or 8000))
server:listen(128, function()
  local client, text = uv.new_tcp(), ""
  server:accept(client)
  client:read_start(function(err, bytes)
    if err or not bytes then
      return client:close()
    end
    text = (text .. bytes):gsub("([^\n]*)\n", function(key)
      if key == "ping" then
        return client:write "pong\n" and ""
      end
      get(key, function(value, message)
        client:write((value or message) .. "\n")
      end)
      return ""
    end)
  end)
end)

print "ready"
io.stdout:flush()
uv.run()
