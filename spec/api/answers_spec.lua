-- SPDX-License-Identifier: MIT

-- Values with headers and a status in programs: in a group alone, and in a group of a node in the
-- same process. Each program runs twice, compiled or not.

local programs = require "api.program"
local tmp = require "support.tmp"

local says = programs.says

local GETTER = [[function(key)
  if key == "plain" then return "p" end
  if key == "gone" then return { status = 410, body = "gone" } end
  if key == "moved" then return { status = 302, headers = { location = "/x" } } end
  if key == "once" then return { body = "once", ttl = 0, headers = { ["x-a"] = "1" } } end
  return { body = "v:" .. key, content_type = "text/x", ttl = 500, age = 7,
    stale_if_error = 3, headers = { ["X-A"] = 1, link = { "a", "b" } } }
end]]

local ALONE = ([[
local g = groupcache.group("g", { getter = %s }) local function finish() end
]]):format(GETTER)
local NODE = ([[
local n = assert(groupcache.start { script = %q, listen = "127.0.0.1:0" })
local g = n:group "g" local function finish() n:close() end
]]):format(tmp.file(([[
  local groupcache = require "groupcache"
  groupcache.group("g", { getter = %s })
  return { http_threads = 1, workers = 1, log_level = "off" }
]]):format(GETTER), "node.lua"))

local SHOW = [[
local function raised(fn)
  local message = select(2, pcall(fn))
  say((message:gsub("^[^:]*/", ""):gsub(", and must have.*", "")))
end
local function show(t, message, code)
  if type(t) ~= "table" then say(t, message, code) return end
  local names = {}
  for name, value in pairs(t.headers) do
    local text = type(value) == "table" and table.concat(value, "+") or value
    names[#names + 1] = name .. "=" .. text
  end
  table.sort(names)
  say(t.body, t.status, t.content_type, t.age, t.ttl and t.ttl > 400, t.stale_if_error,
    table.concat(names, " "), code)
end
]]

for where, head in pairs { ["a group alone"] = ALONE, ["a group of a node in a program"] = NODE } do
  head = (head .. SHOW):gsub("\n", " ")

  describe(where, function()
    it("gives the bytes of a value, and all of it when asked", function()
      says([[
v:k|nil|local
v:k|nil|main
v:k|200|text/x|7|true|3|link=a+b x-a=1|main
v:k|200|text/x|7|true|3|link=a+b x-a=1|main
v:new|200|text/x|7|true|3|link=a+b x-a=1|local
v:new|nil|main
p|200|nil|0|nil|nil||local
once|200|nil|0|false|nil|x-a=1|local
once|nil|local
]], head .. [[
        say(g:get "k")
        for _ = 1, 200 do g:get "k" end
        say(g:get "k")
        show(g:get("k", { full = true }))
        show(g:peek("k", { full = true }))
        show(g:get("new", { full = true }))
        say(g:get "new")
        show(g:get("plain", { full = true }))
        show(g:get("once", { full = true }))
        say(g:get "once")
        finish()
      ]])
    end)

    it("gives an error to whoever asks for the bytes of a status, each time", function()
      says([[
nil|group g: the answer for this key has the status 410, and is no value|NOTFOUND
300|nil|NOTFOUND
nil|group g: the answer for this key has the status 302, and is no value|GETTER
nil|group g: the answer for this key has the status 302, and is no value|GETTER
gone|410|nil|0|nil|nil||main
|302|nil|0|nil|nil|location=/x|main
v:k|GETTER|NOTFOUND
v:k|302|410
]], head .. [[
        say(g:get "gone")
        local n, value, code = 0, nil, nil
        for _ = 1, 300 do
          value, _, code = g:get "gone"
          n = n + (value == nil and 1 or 0)
        end
        say(n, value, code)
        say(g:get "moved")
        say(g:peek "moved")
        show(g:get("gone", { full = true }))
        show(g:peek("moved", { full = true }))
        local values, errors = g:get_many { "k", "moved", "gone" }
        say(values.k, errors.moved.code, errors.gone.code)
        values, errors = g:get_many({ "k", "moved", "gone" }, { full = true })
        say(values.k.body, values.moved.status, values.gone.status)
        finish()
      ]])
    end)

    it("stores a table, and says what is wrong with another", function()
      says([[
true
set|200|text/y|0|true|nil|x-b=2|main
true
nil|group g: headers and tags have more than 8192 bytes together|TOOBIG
set|nil|main
true
nil|group g: this node does not hold the key|NOTFOUND
prog.lua:9: group:set: the table with the value: it has no body
prog.lua:10: group:set: the table with the value: body is a number, and must be a string
]], head .. [[
        say(g:set("k", { body = "set", content_type = "text/y", ttl = 500,
          headers = { ["x-b"] = 2 } }))
        show(g:get("k", { full = true }))
        say(g:set("k", { body = "set" }, 500))
        say(g:set("k", { body = "set", headers = { a = ("x"):rep(9000) } }))
        say(g:get "k")
        say(g:set("k", { body = "set", ttl = 0 }))
        say(g:peek "k")
        raised(function() g:set("k", {}) end)
        raised(function() g:set("k", { body = 1 }) end)
        finish()
      ]])
    end)

    it("says which options a get and a peek have", function()
      says([[
prog.lua:1: group:get: full is "yes", and must be a boolean
prog.lua:2: group:peek: the options are a string, and must be a table
]], head .. [[
        raised(function() return (g:get("k", { full = "yes" })) end)
        raised(function() return (g:peek("k", "full")) end)
        finish()
      ]])
    end)
  end)
end

describe("groupcache.value", function()
  it("marks a table whose body the codec encodes", function()
    says([[
table|1|nil|local
table|1|text/x|main
1|nil
nil|not json|404
true
2|b
prog.lua:18: groupcache.value: a string, and must be a table
]], [[
      local g = groupcache.group("g", { codec = "json", getter = function(key)
        if key == "none" then
          return groupcache.value { status = 404, body = "not json" }
        end
        return groupcache.value { body = { n = 1 }, content_type = "text/x" }
      end })
      local value, message, source = g:get "k"
      say(type(value), value.n, message, source)
      local full, _, from = g:get("k", { full = true })
      say(type(full.body), full.body.n, full.content_type, from)
      local values, errors = g:get_many { "k" }
      say(values.k.n, errors.k)
      local none = g:get("none", { full = true })
      say(nil, none.body, none.status)
      say(g:set("k", groupcache.value { body = { n = 2 }, headers = { a = "b" } }))
      full = g:get("k", { full = true })
      say(full.body.n, full.headers.a)
      say((select(2, pcall(function() groupcache.value "x" end)):gsub("^[^:]*/", "")))
    ]])
  end)
end)
