-- SPDX-License-Identifier: MIT

-- The results and errors of a getter mean the same in a node and in a group alone: one table of
-- outcomes, each tried in both.

local cjson = require "cjson"
local eventually = require "support.eventually"
local node = require "support.node"
local programs = require "api.program"
local rig = require "node.rig"
local tmp = require "support.tmp"

-- Code of the getter -> code and message of the error; or a value, and where a second get finds it.
-- A message that begins with ~ is a pattern. `group` is "plain" unless it has a codec: json, or an
-- odd one of our own, which does what `with` says.
local ROWS = {
  -- values
  { "return 'v'", value = "v", again = "main" },
  { "return ''", value = "", again = "main" },
  { "return 'v', nil, 60", value = "v", again = "main" },
  { "return 'v', nil, 1e300", value = "v", again = "main" },
  { "return 'v', nil, math.huge", value = "v", again = "main" },
  { "return 'v', nil, 0", value = "v", again = "local" },
  { "return 'v', nil, -1", value = "v", again = "local" },
  { "return 'v', nil, -math.huge", value = "v", again = "local" },
  { "return 'v', nil, 0/0", value = "v", again = "local" },
  { "return 'v', nil, 'local'", value = "v", again = "main" },
  { "return 'v', nil, 60, {}, 'and more'", value = "v", again = "main" },

  -- results that are no values
  { "return 42", "GETTER", "group plain: the getter returned a number, not a string" },
  { "return true", "GETTER", "group plain: the getter returned a boolean, not a string" },
  { "return false", "GETTER", "group plain: the getter returned a boolean, not a string" },
  { "return print", "GETTER", "group plain: the getter returned a function, not a string" },
  { "return coroutine.create(print)", "GETTER",
    "group plain: the getter returned a thread, not a string" },
  { "return io.stderr", "GETTER", "group plain: the getter returned a userdata, not a string" },
  { "return 1LL", "GETTER", "group plain: the getter returned a cdata, not a string" },
  { "return ('x'):rep(101)", "TOOBIG",
    "group plain: the value has 101 bytes, max_value_bytes is 100" },
  { "return 'v', nil, '60'", "GETTER",
    "group plain: the getter's third result, the ttl in seconds, is a string" },
  { "return 'v', nil, {}", "GETTER",
    "group plain: the getter's third result, the ttl in seconds, is a table" },
  { "return 'v', nil, false", "GETTER",
    "group plain: the getter's third result, the ttl in seconds, is a boolean" },
  { "return 42, nil, {}", "GETTER",
    "group plain: the getter's third result, the ttl in seconds, is a table" },

  { "return 'v', 60", "GETTER", "group plain: the getter returned a value and, as its second "
    .. "result, a number: a ttl is the third (return value, nil, 60)" },
  { "return 'v', 'an error'", "GETTER", "group plain: the getter returned a value and, as its "
    .. "second result, a string: a ttl is the third (return value, nil, 60)" },
  { "return 'v', false, 60", "GETTER", "group plain: the getter returned a value and, as its "
    .. "second result, a boolean: a ttl is the third (return value, nil, 60)" },

  -- tables with a value
  { "return { body = 'v' }", value = "v", again = "main" },
  { "return { body = '' }", value = "", again = "main" },
  { "return { body = 'v', ttl = 60 }", value = "v", again = "main" },
  { "return { body = 'v' }, nil, 60", value = "v", again = "main" },
  { "return { body = 'v' }, nil, 0", value = "v", again = "local" },
  { "return { body = 'v', ttl = 0 }, nil, 60", value = "v", again = "local" },
  { "return { body = 'v', ttl = 60 }, nil, 0", value = "v", again = "main" },
  { "return { body = 'v', tags = { 'a', 'b' }, headers = { n = 1, l = { 'x', 'y' } } }",
    value = "v", again = "main" },
  { "return setmetatable({ body = 'v' }, { __index = error, __pairs = error })", value = "v",
    again = "main" },
  { "return {}", "GETTER", "group plain: the table that the getter returned: it has no body, and "
    .. "must have a body or a status other than 200" },
  { "return spoken 'x'", "GETTER", "~^group plain: the table that the getter returned: " },
  { "return { 'v' }", "GETTER", "group plain: the table that the getter returned: it has an item "
    .. "without a name, and may have the fields body, ttl, age, status, content_type, headers, "
    .. "tags, stale_while_revalidate, stale_if_error" },
  { "return { body = 1 }", "GETTER", "group plain: the table that the getter returned: body is a "
    .. "number, and must be a string" },
  { "return { body = 'v', ttl = 'x' }", "GETTER", "group plain: the table that the getter "
    .. "returned: ttl is a string, and must be a number of seconds" },
  { "return { body = 'v', age = -1 }", "GETTER", "group plain: the table that the getter "
    .. "returned: age is -1, and must be 0 or more seconds" },
  { "return { body = 'v', stale_if_error = 0/0 }", "GETTER",
    "~returned: stale_if_error is %-?nan, and must be 0 or more seconds$" },
  { "return { body = 'v', colour = 'red' }", "GETTER",
    "~returned: \"colour\" is no field of it, which may have body, ttl, " },
  { "return { body = 'v', status = 304 }", "GETTER",
    "~returned: status is 304, and must be an integer from 200 to 599, without 206, 304, " },
  { "return { body = 'v', status = 204 }", "GETTER",
    "~returned: it has a body of 1 bytes, and an answer with status 204 has none$" },
  { "return { body = 'v', headers = 'x' }", "GETTER",
    "~returned: headers is a string, and must be a table of names and values$" },
  { "return { body = 'v', headers = { 'x' } }", "GETTER",
    "~returned: headers has a number for a name, and must have names and values$" },
  { "return { body = 'v', headers = { a = true } }", "GETTER",
    "~returned: header \"a\" is a boolean, and must be a string, a number or a list of them$" },
  { "return { body = 'v', headers = { a = 'x\\n' } }", "GETTER",
    "~returned: header \"a\" has a value with a line end or another control byte$" },
  { "return { body = 'v', headers = { te = 'x' } }", "GETTER",
    "~returned: header \"te\" says how an answer travels, or is the node's own, and cannot be" },
  { "return { body = 'v', tags = 'x' }", "GETTER",
    "~returned: tags is a string, and must be a list of strings$" },
  { "return { body = 'v', tags = { '' } }", "GETTER",
    "~returned: a tag has 0 bytes, and must have 1 to 255$" },
  { "return { body = 'v', headers = { a = ('x'):rep(9000) } }", "TOOBIG",
    "~returned: headers and tags have more than 8192 bytes together$" },
  { "return { body = 'v' }, 60", "GETTER", "group plain: the getter returned a value and, as its "
    .. "second result, a number: a ttl is the third (return value, nil, 60)" },

  -- nothing
  { "", "NOTFOUND", "group plain: not found" },
  { "return nil", "NOTFOUND", "group plain: not found" },
  { "return nil, nil, 60", "NOTFOUND", "group plain: not found" },
  { "return nil, nil, 'BUSY', 'and more'", "NOTFOUND", "group plain: not found" },

  -- errors
  { "return nil, 'no luck'", "GETTER", "no luck" },
  { "return nil, ''", "GETTER", "" },
  { "return nil, ('x'):rep(300)", "GETTER", ("x"):rep(239) },
  { "return nil, 42", "GETTER", "42" },
  { "return nil, 0.1", "GETTER", "0.1" },
  { "return nil, math.huge", "GETTER", "inf" },
  { "return nil, 0/0", "GETTER", "nan" },
  { "return nil, false", "GETTER",
    "group plain: the getter's second result, the error, is a boolean, and must be a string" },
  { "return nil, true", "GETTER",
    "group plain: the getter's second result, the error, is a boolean, and must be a string" },
  { "return nil, {}", "GETTER",
    "group plain: the getter's second result, the error, is a table, and must be a string" },
  { "return nil, print", "GETTER",
    "group plain: the getter's second result, the error, is a function, and must be a string" },
  { "return nil, io.stderr", "GETTER",
    "group plain: the getter's second result, the error, is a userdata, and must be a string" },
  { "return nil, 1LL", "GETTER",
    "group plain: the getter's second result, the error, is a cdata, and must be a string" },
  { "return nil, spoken 'no luck, says the object'", "GETTER", "no luck, says the object" },
  { "return nil, spoken(42)", "GETTER",
    "group plain: the getter's second result, the error, is a table, and must be a string" },
  { "return nil, spoken(nil)", "GETTER",
    "group plain: the getter's second result, the error, is a table, and must be a string" },
  { "return nil, setmetatable({}, { __tostring = function() error 'mute' end })", "GETTER",
    "group plain: the getter's second result, the error, is a table, and must be a string" },

  -- errors with a code
  { "return nil, 'none', 'NOTFOUND'", "NOTFOUND", "none" },
  { "return nil, 'down', 'PEER'", "PEER", "down" },
  { "return nil, 'late', 'TIMEOUT'", "TIMEOUT", "late" },
  { "return nil, 'large', 'TOOBIG'", "TOOBIG", "large" },
  { "return nil, 'round', 'CYCLE'", "CYCLE", "round" },
  { "return nil, 'full', 'BUSY', 'and more'", "BUSY", "full" },
  { "return nil, 'mine', 'GETTER'", "GETTER", "mine" },
  { "return nil, spoken 'full', 'BUSY'", "BUSY", "full" },
  { "return nil, {}, 'BUSY'", "BUSY",
    "group plain: the getter's second result, the error, is a table, and must be a string" },
  { "return nil, 'closed', 'CLOSED'", "GETTER", "closed" },
  { "return nil, 'memory', 'NOMEM'", "GETTER", "memory" },
  { "return nil, 'wrong', 'INVAL'", "GETTER", "wrong" },
  { "return nil, 'fine', 'OK'", "GETTER", "fine" },
  { "return nil, 'small', 'busy'", "GETTER", "small" },
  { "return nil, 'number', 503", "GETTER", "number" },
  { "return nil, 'table', {}", "GETTER", "table" },
  { "return nil, 'boolean', false", "GETTER", "boolean" },

  -- throws
  { "error('kaboom', 0)", "GETTER", "kaboom" },
  { "error 'kaboom'", "GETTER", "kaboom" },
  { "return (nil).field", "GETTER", "attempt to index a nil value" },
  { "return nil .. 'x'", "GETTER", "attempt to concatenate a nil value" },
  { "assert(nil, 'refused')", "GETTER", "refused" },
  { "error('example.lua:80: refused', 0)", "GETTER", "refused" },
  { "error('example:80: refused', 0)", "GETTER", "example:80: refused" },
  { "error('see x.lua:8 or y', 0)", "GETTER", "see x.lua:8 or y" },
  { "error(42, 0)", "GETTER", "42" },
  { "error()", "GETTER", "the getter threw a nil" },
  { "error(nil)", "GETTER", "the getter threw a nil" },
  { "error(false)", "GETTER", "the getter threw a boolean" },
  { "error {}", "GETTER", "the getter threw a table" },
  { "error { code = 'BUSY' }", "GETTER", "the getter threw a table" },
  { "error(print)", "GETTER", "the getter threw a function" },
  { "error(io.stderr)", "GETTER", "the getter threw a userdata" },
  { "error(spoken 'thrown, says the object')", "GETTER", "thrown, says the object" },
  { "error(spoken(nil))", "GETTER", "the getter threw a table" },
  { "error(setmetatable({}, { __tostring = function(self) return self.no.where end }))", "GETTER",
    "the getter threw a table" },

  -- codecs
  { "return { 1, 'two' }", group = "json", value = '[1,"two"]', again = "main" },
  { "return 42", group = "json", value = "42", again = "main" },
  { "return false", group = "json", value = "false", again = "main" },
  { "return groupcache.value { body = { 1 } }", group = "json", value = "[1]", again = "main" },
  { "return groupcache.value { body = { 1 }, ttl = 0 }", group = "json", value = "[1]",
    again = "local" },
  { "return { body = 1 }", group = "json", value = '{"body":1}', again = "main" },
  { "return groupcache.value { body = print }", "GETTER", "group json: the codec cannot encode "
    .. "the value: there is a function in it", group = "json" },
  { "return groupcache.value { body = 1, colour = 'red' }", "GETTER",
    "~^group json: the table that the getter returned: \"colour\" is no field", group = "json" },
  { "return { 1 }, nil, -1", group = "json", value = "[1]", again = "local" },
  { "return nil", "NOTFOUND", "group json: not found", group = "json" },
  { "return nil, 42, 'PEER'", "PEER", "42", group = "json" },
  { "return { 1 }, nil, {}", "GETTER",
    "group json: the getter's third result, the ttl in seconds, is a table", group = "json" },
  { "return print", "GETTER", "group json: the codec cannot encode the value: "
    .. "there is a function in it", group = "json" },
  { "return 1/0", "GETTER", "group json: the codec cannot encode the value: "
    .. "JSON has no infinity", group = "json" },
  { "return ('x'):rep(200)", "TOOBIG", "group json: the codec cannot encode the value: "
    .. "it takes more than 100 bytes, max_value_bytes", group = "json" },
  { "", "GETTER", "group odd: the codec cannot encode the value: it gave a nil",
    group = "odd", with = "nothing" },
  { "", "GETTER", "group odd: the codec cannot encode the value: it gave a number", group = "odd",
    with = "a number" },
  { "", "GETTER", "group odd: the codec cannot encode the value: its error is a table",
    group = "odd", with = "a table" },
  { "", "GETTER", "group odd: the codec cannot encode the value: no luck", group = "odd",
    with = "an object" },
  { "", "GETTER", "kaboom", group = "odd", with = "a throw" },
}

-- What both run: it defines the groups, whose keys are the rows' numbers, and returns them.
local function source()
  local out = { [[
local groupcache = require "groupcache"
local function spoken(text)
  return setmetatable({}, { __tostring = function() return text end })
end
local ODD = {
  nothing = function() end,
  ["a number"] = function() return 42 end,
  ["a table"] = function() return nil, {} end,
  ["an object"] = function() return nil, spoken "no luck" end,
  ["a throw"] = function() error("kaboom", 0) end,
}
local odd = { encode = function(value) return ODD[value]() end, decode = tostring }
local rows = {]] }
  for _, row in ipairs(ROWS) do
    out[#out + 1] = ("  function() %s end,"):format(
      row.with and ("return %q"):format(row.with) or row[1])
  end
  out[#out + 1] = [[
}
local function getter(key)
  return rows[tonumber(key)]()
end
return {
  plain = groupcache.group("plain", { max_value_bytes = 100, getter = getter }),
  json = groupcache.group("json", { max_value_bytes = 100, codec = "json", getter = getter }),
  odd = groupcache.group("odd", { codec = odd, getter = getter }),
}
]]
  return table.concat(out, "\n")
end

-- Each row as the group alone has it: the value, or code and message; and the source of a second
-- get of a value.
local function alone(path)
  local out = programs.run(([[
    local cjson = require "cjson"
    local groups = dofile(%q)
    for line in io.lines(arg[1]) do
      local group, key = line:match "^(.*) (.*)$"
      local value, message, code = groups[group]:get(key)
      local again = value ~= nil and select(3, groups[group]:get(key)) or nil
      if value ~= nil and type(value) ~= "string" then value = cjson.encode(value) end
      print(cjson.encode { value = value, message = value == nil and message or nil,
        code = value == nil and code or nil, again = again })
    end
  ]]):format(path), { args = { tmp.file((function()
    local lines = {}
    for i, row in ipairs(ROWS) do
      lines[i] = ("%s %d\n"):format(row.group or "plain", i)
    end
    return table.concat(lines)
  end)(), "keys") } })
  local got = {}
  for line in out:gmatch "[^\n]+" do
    got[#got + 1] = cjson.decode(line)
  end
  return got
end

local function of_node(n, row, i)
  local group = row.group or "plain"
  local res = assert(n:get(group, tostring(i)))
  if res.status == 200 then
    return { value = res.body,
      again = assert(n:get(group, tostring(i))).headers["x-cache"] }
  end
  local body = cjson.decode(res.body)
  return { code = body.code, message = body.error }
end

describe("the outcome of a getter", function()
  local n, by_alone

  setup(function()
    local path = tmp.file(source(), "rows.lua")
    by_alone = alone(path)
    n = node.start { args = { "--workers", "1" },
      script = ("dofile(%q)\n"):format(path) }
  end)

  teardown(function()
    rig.stop(n)
  end)

  local function holds(row, got)
    assert.equal(row.value, got.value)
    assert.equal(row.again, got.again)
    assert.equal(row[2], got.code)
    local pattern = row[3] and row[3]:match "^~(.*)"
    if pattern then
      assert.matches(pattern, got.message)
    else
      assert.equal(row[3], got.message)
    end
  end

  -- A program is told where its getter threw; a node's clients are not.
  local function without_place(got)
    local copy = {}
    for name, value in pairs(got) do
      copy[name] = value
    end
    copy.message = got.message and got.message:gsub("^[^\n]-%.lua:%d+: ", "")
    return copy
  end

  it("has a row for each kind of result, and a group alone went through all of them", function()
    assert.is_true(#ROWS >= 80)
    assert.equal(#ROWS, #by_alone)
  end)

  for i, row in ipairs(ROWS) do
    it(("is the same in a node and alone: %s%s"):format(row.with or row[1],
      row.group and " (" .. row.group .. ")" or ""), function()
        local got = of_node(n, row, i)
        holds(row, got)
        holds(row, without_place(by_alone[i]))
        assert.same(got, without_place(by_alone[i]))
        assert.is_nil((got.message or ""):find "0x%x%x%x")
      end)
  end
end)

describe("the text that an error object makes of itself", function()
  local n

  after_each(function()
    rig.stop(n)
  end)

  local function start(body)
    n = node.start { args = { "--workers", "1" }, script = ([[
      local groupcache = require "groupcache"
      groupcache.group("objects", {
        timeout = 0.5,
        getter = function(key)
          if key == "fine" then return "fine" end
          local object = setmetatable({}, { __tostring = function() %s end })
          if key == "thrown" then error(object) end
          return nil, object
        end,
      })
    ]]):format(body) }
  end

  local function asked(key)
    local body = cjson.decode(assert(n:get("objects", key)).body)
    return { body.code, body.error }
  end

  it("is bounded by the deadline of the load", function()
    start "while true do end"
    for _, key in ipairs { "thrown", "returned" } do
      assert.equal("TIMEOUT", asked(key)[1]) -- of the VM or, when that is slower, of the tick
      assert.equal("fine", assert(n:get("objects", "fine")).body)
    end
    assert.is_nil(n:logged "stuck")
  end)

  it("is made without waiting", function()
    start "groupcache.sleep(0.01); return 'slept'"
    assert.same({ "GETTER", "the getter threw a table" }, asked "thrown")
    assert.same({ "GETTER", "group objects: the getter's second result, the error, is a table, "
      .. "and must be a string" }, asked "returned")
    assert.equal("fine", assert(n:get("objects", "fine")).body)
  end)

  it("leaves no children behind", function()
    start [[
      groupcache.spawn(function() groupcache.sleep(10) end)
      return "spawned"
    ]]
    assert.matches("^GETTER", table.concat(asked "thrown"))
    assert.equal("fine", assert(n:get("objects", "fine")).body)
    assert.equal(0, n:stats().groups.objects.flights)
  end)

  it("goes to the log, with the traceback of the getter", function()
    start "return 'no luck, says the object'"
    assert.same({ "GETTER", "no luck, says the object" }, asked "thrown")
    local line = eventually(function() return n:logged "[^\n]*getter threw[^\n]*" end, 5)
    assert.matches("no luck, says the object", line)
    assert.matches("traceback", line)
  end)
end)
