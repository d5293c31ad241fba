-- SPDX-License-Identifier: MIT
-- loop_http.lua: a web server of lua-http, a program with an event loop of cqueues, that gets its
-- pages from groups. A get that waits for a getter lets the other coroutines run. Run it with
--   luajit examples/loop_http.lua 8000
--   curl http://127.0.0.1:8000/any/page

local groupcache = require "groupcache"

-- The same file is the node's script, which its workers run.
if not arg then
  groupcache.group("pages", { ttl = 60, getter = function(key)
    groupcache.sleep(0.5) -- a source that takes its time
    return "page " .. key .. "\n"
  end })
  return {}
end

local headers = require "http.headers"
local server = require "http.server"

local node = assert(groupcache.start { script = arg[0], listen = "127.0.0.1:0" })
local pages = node:group "pages"

local function answer(stream, status, body)
  local h = headers.new()
  h:append(":status", status)
  h:append("content-type", "text/plain")
  stream:write_headers(h, false)
  stream:write_chunk(body, true)
end

local web = assert(server.listen {
  host = "127.0.0.1",
  port = tonumber(arg[1] or 8000),
  onstream = function(_, stream)
    local path = stream:get_headers():get ":path"
    if path == "/ping" then
      return answer(stream, "200", "pong\n")
    end
    local page, message, code = pages:get(path)
    if page then
      return answer(stream, "200", page)
    end
    answer(stream, code == "NOTFOUND" and "404" or "502", message .. "\n")
  end,
  onerror = function(_, _, what, message) io.stderr:write(what, ": ", tostring(message), "\n") end,
})

assert(web:listen())
print "ready"
io.stdout:flush()
assert(web:loop())
