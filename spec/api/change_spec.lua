-- SPDX-License-Identifier: MIT

-- Set, remove, flush, peek and many keys in programs: on a group alone, and on a group of a node in
-- the same process. What nodes do among each other is in spec/node/change_spec.lua.

local ports = require "support.ports"
local programs = require "api.program"
local rig = require "node.rig"
local tmp = require "support.tmp"

local says = programs.says

-- What goes before a program whose group g is alone, and one whose group is a node's.
local ALONE = [[
local g = groupcache.group("g", { max_value_bytes = 100, getter = function(key)
  if key == "none" then return nil end
  return "v:" .. key
end }) local function finish() end
]]
local NODE = ([[
local n = assert(groupcache.start { script = %q, listen = "127.0.0.1:0", max_key_bytes = 20 })
local g = n:group "g" local function finish() n:close() end
]]):format(tmp.file([[
  local groupcache = require "groupcache"
  groupcache.group("g", { max_value_bytes = 100, getter = function(key)
    if key == "none" then return nil end
    if key == "slow" then groupcache.sleep(60) end
    return "v:" .. key
  end })
  groupcache.group("tables", { codec = "json", getter = function(key) return { key } end })
  return { http_threads = 1, workers = 1, log_level = "off" }
]], "node.lua"))

for where, head in pairs { ["a group alone"] = ALONE, ["a group of a node in a program"] = NODE } do
  head = head:gsub("\n", " ")

  describe(where, function()
    it("takes a value in place of the getter's and of the remembered one", function()
      says([[
true
set|nil|main
true
again|nil|main
v:other|nil|local
true
other set|nil|main
]], head .. [[
        say(g:set("k", "set"))
        say(g:get "k")
        for _ = 1, 200 do g:get "k" end
        say(g:set("k", "again"))
        say(g:get "k")
        say(g:get "other")
        for _ = 1, 200 do g:get "other" end
        say(g:set("other", "other set"))
        say(g:get "other")
        finish()
      ]])
    end)

    it("forgets what is removed, one key, many, all of them", function()
      says([[
v:a|nil|main
true|v:a|nil|local
true|true
v:a|local|v:b|local|v:c|main
true
v:a|local|v:b|local|v:c|local
]], head .. [[
        local function fill()
          for _ = 1, 200 do g:get "a" g:get "b" g:get "c" end
        end
        local function three()
          local out = {}
          for _, key in ipairs { "a", "b", "c" } do
            local value, _, source = g:get(key)
            out[#out + 1] = value
            out[#out + 1] = source
          end
          say(unpack(out))
        end
        fill()
        say(g:get "a")
        say(g:remove "a", g:get "a")
        fill()
        say(g:remove_many { "a", "b", "not there" }, g:remove_many {})
        three()
        fill()
        say(g:flush())
        three()
        finish()
      ]])
    end)

    it("keeps a value for the time that comes with it", function()
      says("true\ntrue|true\ntrue|v:k|nil|local\ntrue|v:k|nil|local\ntrue|inf\n", head .. [[
        say(g:set("k", "brief", 0.03))
        say(g:ttl "k" <= 0.03, g:ttl "k" > -1)
        until_true(function() return g:get "k" ~= "brief" end)
        g:set("k", "x")
        say(g:set("k", "none", 0), g:get "k")
        say(g:set("k", "none", -1), g:get "k")
        say(g:set("k", "long"), (g:ttl "k"))
        finish()
      ]])
    end)

    it("takes any bytes for keys and values", function()
      says("true true true true\n", head .. [[
        local out = {}
        for _, key in ipairs { "", "\0", "a\0b", "\255\r\n" } do
          assert(g:set(key, key .. "\0v"))
          local value = g:peek(key)
          local values = g:get_many { key }
          out[#out + 1] = tostring(value == key .. "\0v" and values[key] == value
            and g:get(key) == value)
        end
        print(table.concat(out, " "))
        finish()
      ]])
    end)

    it("refuses a value that is too large, and removes the old value", function()
      says("nil|group g: the value has 101 bytes, max_value_bytes is 100|TOOBIG|nil\n"
        .. "nil|NOTFOUND\n",
        head .. [[
        g:get "k"
        local ok, err, code, unconfirmed = g:set("k", ("x"):rep(101))
        say(ok, err, code, unconfirmed)
        local value, _, why = g:peek "k"
        say(value, why)
        finish()
      ]])
    end)

    it("gives many values and many errors", function()
      says("v:a|v:b|nil|group g: not found|NOTFOUND\nnil|nil\n0|0\n10000|nil\n", head .. [[
        local values, errors = g:get_many { "a", "b", "none", "a" }
        say(values.a, values.b, values.none, errors.none.message, errors.none.code)
        say(errors.a, errors.b)
        values, errors = g:get_many {}
        local function count(t) local c = 0 for _ in pairs(t) do c = c + 1 end return c end
        say(count(values), count(errors))
        local keys = {}
        for i = 1, 10000 do keys[i] = "k" .. i end
        values, errors = g:get_many(keys, 60)
        say(count(values), next(errors))
        finish()
      ]])
    end)

    it("shows what is held without loading it", function()
      says("nil|group g: this node does not hold the key|NOTFOUND\n"
        .. "nil|group g: this node does not hold the key|NOTFOUND\nv:k|nil|main\ninf\n", head .. [[
        say(g:peek "k")
        say(g:ttl "k")
        g:get "k"
        say(g:peek "k")
        say((g:ttl "k"))
        finish()
      ]])
    end)

    it("raises for misuse at the caller's line", function()
      local out = programs.run(head .. [[
        local function try(fn, ...) print((select(2, pcall(fn, ...)))) end -- line 1
        try(function() local _ = g:set(1, "v") end) -- line 2
        try(function() local _ = g:set("k") end)
        try(function() local _ = g:set("k", 1) end)
        try(function() local _ = g:set("k", "v", "1") end)
        try(function() local _ = g:remove() end)
        try(function() local _ = g:remove_many "k" end)
        try(function() local _ = g:remove_many { a = "k" } end)
        try(function() local _ = g:get_many { "k", 2 } end)
        try(function() local _ = g:get_many({ "k" }, { timeout = 0 }) end)
        try(function() local keys = {} for i = 1, 10001 do keys[i] = "k" end g:get_many(keys) end)
        try(function() local _ = g:peek(nil) end)
        try(function() local _ = g:ttl(nil) end)
        finish()
      ]])
      local i = 1
      for line in out:gmatch "[^\n]+" do
        i = i + 1
        assert.matches(("prog.lua:%d: group:"):format(i), line, 1, true)
      end
      assert.equal(13, i, out)
    end)
  end)
end

describe("a group alone", function()
  it("may be set, and removed, by the getter of the key itself", function()
    says("own|nil|local\nset|nil|main\nown|nil|local\nnil|NOTFOUND\n", [[
      local g
      g = groupcache.group("g", { getter = function(key)
        assert(key == "sets" and g:set(key, "set") or g:remove(key))
        return "own"
      end })
      say(g:get "sets")
      say(g:get "sets")
      say(g:get "removes")
      local value, _, code = g:peek "removes"
      say(value, code)
    ]])
  end)

  it("encodes what is set, and decodes what is given", function()
    says("true|1|1|1|main\nnil|INVAL|true\ntrue|0|nil\n", [[
      local g = groupcache.group("g", { codec = "json", getter = function() return { v = 0 } end })
      say(g:set("k", { v = 1 }), g:get("k").v, g:peek("k").v, g:get_many({ "k" }).k.v,
        select(3, g:peek "k"))
      local ok, err, code = g:set("k", print)
      say(ok, code, err:find("the codec cannot encode the value", 1, true) ~= nil)
      say(g:remove "k", g:get("k").v, g:peek("k").x)
    ]])
  end)

  it("shows a stale value, and for how long it has been stale", function()
    says("true|stale|old\n", [[
      local g = groupcache.group("g", { ttl = 0.01, ttl_jitter = 0, stale_if_error = 100,
        getter = function() return nil, "no" end })
      g:set("k", "old")
      until_true(function() return g:ttl "k" < 0 end)
      local value, _, source = g:peek "k"
      say(g:ttl "k" > -100, source, value)
    ]])
  end)

  it("frees the items of a flush bit by bit", function()
    says("true\n", [[
      local g = groupcache.group("g", { getter = function(key) return key end })
      for i = 1, 60000 do g:set("k" .. i, "v") end
      g:flush()
      for i = 1, 60000 do g:set("n" .. i, "v") end
      g:flush()
      print(g:peek "n1" == nil)
    ]])
  end)
end)

describe("a group of a node in a program", function()
  local head = NODE:gsub("\n", " ")

  it("bounds how long many keys are waited for", function()
    says("v:a|nil|TIMEOUT|group g: no value within 0.05 s\n", head .. [[
      local values, errors = g:get_many({ "a", "slow" }, { timeout = 0.05 })
      say(values.a, values.slow, errors.slow.code, errors.slow.message)
      finish()
    ]])
  end)

  it("raises for a key that its node would not take", function()
    local out = programs.run(head .. [[
      local key = ("x"):rep(21)
      local function try(fn) print((select(2, pcall(fn)))) end
      try(function() local _ = g:set(key, "v") end)
      try(function() local _ = g:remove(key) end)
      try(function() local _ = g:remove_many { "k", key } end)
      try(function() local _ = g:get_many { key } end)
      finish()
    ]])
    local wanted = { "set: the key has 21 bytes, max_key_bytes is 20",
      "remove: the key has 21 bytes, max_key_bytes is 20",
      "remove_many: key 2 has 21 bytes, max_key_bytes is 20",
      "get_many: key 1 has 21 bytes, max_key_bytes is 20" }
    local i = 0
    for line in out:gmatch "[^\n]+" do
      i = i + 1
      assert.matches(("prog.lua:%d: group:%s"):format(i + 2, wanted[i]), line, 1, true)
    end
    assert.equal(4, i)
  end)

  it("gives and takes bytes, whatever the script's codec is", function()
    says('["k"]|true|{"v":1}|main\n', head .. [[
      local t = n:group "tables"
      local values = t:get_many { "k" }
      local ok = t:set("k", '{"v":1}')
      say(values.k, ok, t:get "k", select(3, t:peek "k"))
      finish()
    ]])
  end)

  it("shows what it holds once its node is closed, and is CLOSED for all else", function()
    says("nil|CLOSED|nil\nnil|CLOSED|nil\nnil|CLOSED|nil\nnil|CLOSED|nil\nv:k|nil|main\ninf\n"
      .. "v:k|nil|CLOSED\n", head .. [[
      g:get "k"
      n:close()
      local function short(ok, _, code, unconfirmed) say(ok, code, unconfirmed) end
      short(g:set("k", "new"))
      short(g:remove "k")
      short(g:remove_many { "k" })
      short(g:flush())
      say(g:peek "k")
      say((g:ttl "k"))
      local values, errors = g:get_many { "k", "new" }
      say(values.k, values.new, errors.new.code)
    ]])
  end)

  it("names the node that did not confirm", function()
    local p1, p2 = ports.free(), ports.free()
    local urls = { "http://127.0.0.1:" .. p1, "http://127.0.0.1:" .. p2 }
    local mine, other = rig.owned_by(urls, urls[1], "m"), rig.owned_by(urls, urls[2], "o")
    says(([[
nil|PEER|1|%s
nil|PEER|1|%s
v|nil|main
nil|NOTFOUND
]]):format(urls[2], urls[2]), ([[
      local n = assert(groupcache.start { script = %q, listen = "127.0.0.1:%d", self = %q,
        peers = { %q, %q } })
      local g = n:group "g"
      local function short(ok, err, code, unconfirmed)
        assert(err:find(unconfirmed[1], 1, true), err)
        say(ok, code, #unconfirmed, unconfirmed[1])
      end
      short(g:set(%q, "v"))
      short(g:set(%q, "v"))
      say(g:peek(%q))
      local value, _, code = g:peek(%q)
      say(value, code)
      n:close()
    ]]):format(NODE:match '"([^"]+)"', p1, urls[1], urls[1], urls[2], mine, other, mine, other))
  end)
end)
