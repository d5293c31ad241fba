-- SPDX-License-Identifier: MIT

-- Keys that a function of the script makes of requests: the option `key`.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"

-- A text that shows a table, sorted.
local function show(t)
  local out = {}
  for name, value in pairs(t) do
    out[#out + 1] = tostring(name) .. "=" .. value
  end
  table.sort(out)
  return table.concat(out, ";")
end

local function echo(key)
  rig.record(key)
  return { body = "value of " .. key, ttl = 60 }
end

groupcache.group("site", { writable = true, getter = echo,
  key = function(path, query, headers)
    return (headers["x-tenant"] or "none") .. "/" .. path:lower() .. "?" .. (query.page or "1")
  end })
groupcache.group("path", { writable = true, getter = echo,
  key = function(path) return "<" .. path .. ">" end })
groupcache.group("query", { getter = echo, key = function(path, query) return show(query) end })
groupcache.group("headers", { getter = echo,
  key = function(path, _, headers)
    headers.host, headers.accept = nil, nil
    local key = show(headers)
    headers["x-left"] = "behind" -- the table is this call's own
    return key
  end })
groupcache.group("large", { getter = function(key) return key end,
  key = function(path, query, headers)
    local n, bytes = 0, #path
    for name, value in pairs(headers) do n, bytes = n + 1, bytes + #name + #value end
    return ("headers=%d pairs=%d path=%d same=%d"):format(n, #query, #path,
      #(headers["x-same"] or ""))
  end })

local odd = {
  throws = function() error "thrown by a key function" end,
  object = function()
    error(setmetatable({}, { __tostring = function() return "an object" end }))
  end,
  number = function() return 5 end,
  table = function() return {} end,
  empty = function() return "" end,
  long = function() return ("k"):rep(5000) end,
  line = function() return "a\nb\0c" end,
  none = function() end,
  why = function() return nil, "this has no key" end,
  missing = function() return nil, 404, "no such page" end,
  gone = function() return nil, 410 end,
  fine = function() return nil, 200 end,
  part = function() return nil, 400.5 end,
  nan = function() return nil, 0 / 0 end,
  status = function() return nil, 404, {} end,
  yields = function() coroutine.yield() end,
  sleeps = function() groupcache.sleep(1) end,
  fetches = function() return (groupcache.http.get "http://127.0.0.1:1/") end,
  spawns = function() groupcache.spawn(print) end,
  loads = function() return (rig.path:get "a") end,
  sets = function() return tostring(rig.path:set("a", "b")) end,
  loops = function() while true do end end,
  caught = function() while true do pcall(function() while true do end end) end end,
  full = function() local t = {} for i = 1, 1e9 do t[i] = ("x"):rep(1e6) .. i end end,
}
groupcache.group("odd", { getter = echo, key = function(path) return odd[path]() end })
rig.path = groupcache.group("other", { getter = echo })
return { workers = 1, http_threads = 1 }
]]

describe("a key function", function()
  local r, nodes

  setup(function()
    r = rig.new()
    nodes = node.cluster(2, { script = r:script(SCRIPT) })
  end)

  teardown(function()
    rig.stop_all(nodes)
  end)

  local function ask(target, headers, more)
    local request = { target = "/cache/" .. target, headers = headers }
    for name, value in pairs(more or {}) do
      request[name] = value
    end
    return assert((request.node or nodes[1]):request(request))
  end

  it("makes one key of the path, the query and the headers, and the owner has it", function()
    for _, n in ipairs(nodes) do
      for _, target in ipairs { "site/News?page=2&utm=7", "site/nEWS?x=%41&page=2" } do
        local res = ask(target, { ["X-Tenant"] = "a" }, { node = n })
        assert.same({ 200, "value of a/news?2" }, { res.status, res.body })
      end
    end
    assert.equal("value of b/news?2", ask("site/news?page=2", { ["X-Tenant"] = "b" }).body)
    assert.equal(1, r:calls()["a/news?2"])
    assert.equal(1, r:calls()["b/news?2"])
  end)

  it("is asked by GET, HEAD, PUT and DELETE", function()
    local tenant = { ["X-Tenant"] = "m" }
    assert.equal(204, ask("site/Doc?page=3", tenant, { method = "PUT", body = "set" }).status)
    assert.equal("set", ask("site/doc?page=3", tenant, { node = nodes[2] }).body)
    assert.equal("3", ask("site/doc?page=3", tenant, { method = "HEAD" }).headers["content-length"])
    assert.equal(204, ask("site/DOC?page=3", tenant, { method = "DELETE" }).status)
    assert.equal("value of m/doc?3", ask("site/doc?page=3", tenant).body)
    assert.equal("value of m/doc?3", ask("site/doc?page=3", tenant, { node = nodes[2] }).body)
  end)

  it("leaves conditions and ranges to the value", function()
    local res = ask "path/whole"
    assert.equal("value of <whole>", res.body)
    assert.equal(304, ask("path/whole", { ["If-None-Match"] = res.headers.etag }).status)
    res = ask("path/whole", { Range = "bytes=0-4" })
    assert.same({ 206, "value" }, { res.status, res.body })
  end)

  it("is not asked by lists of keys and other nodes, which name the key itself", function()
    local res = ask("path", nil, { method = "POST", body = '["k"]' })
    assert.matches("value of k", res.body, 1, true)
    assert.equal(1, r:calls().k)
    res = assert(nodes[1]:request { target = "/_groupcache/path/peer" })
    assert.matches("value of peer", res.body, 1, true)
    assert.equal(1, r:calls().peer)
  end)

  it("takes any path, the empty one too, and DELETE of the group alone is a flush", function()
    assert.equal("value of <>", ask("path/").body)
    assert.equal("value of <>", ask("path/?a=1").body)
    assert.equal("value of <a/b ?\0>", ask("path/a/b%20%3F%00").body)
    local calls = r:calls()["<>"]
    assert.equal(204, ask("path/", nil, { method = "DELETE" }).status)
    assert.equal("value of <a/b ?\0>", ask("path/a/b%20%3F%00").body)
    assert.equal("value of <>", ask("path/").body)
    assert.equal(calls + 1, r:calls()["<>"])
    assert.equal(1, r:calls()["<a/b ?\0>"])
    assert.equal(204, ask("path", nil, { method = "DELETE" }).status)
    ask "path/a/b%20%3F%00"
    assert.equal(2, r:calls()["<a/b ?\0>"])
    assert.equal(400, ask("path/%").status)
  end)

  it("sees the query decoded by name, and as it came by number", function()
    for query, key in pairs {
      ["a=1&b=%41+x"] = "1=a=1;2=b=%41+x;a=1;b=A x",
      ["a=1&a=2&&"] = "1=a=1;2=a=2;a=2",
      ["flag&=v&x=1=2"] = "1=flag;2==v;3=x=1=2;=v;flag=;x=1=2",
      ["bad=%zz&%4e=n"] = "1=bad=%zz;2=%4e=n;N=n;bad=%zz",
      ["1=one"] = "1=1=one;1=one",
    } do
      assert.equal("value of " .. key, ask("query/p?" .. query).body, query)
    end
    assert.equal(400, ask("query/p").status) -- an empty table, and so an empty key
    assert.equal(400, ask("query/p?").status)
  end)

  it("sees headers by lower-case name, several of one name joined", function()
    local res = ask("headers/a", { { "Host", "h" }, { "X-B", "2" }, { "X-A", "1" },
      { "x-b", " 3 " }, { "X-Empty", "" } })
    assert.equal("value of x-a=1;x-b=2, 3;x-empty=", res.body)
    assert.equal("value of x-a=1", ask("headers/a", { { "Host", "h" }, { "X-A", "1" } }).body)
  end)

  it("takes requests as large as the server takes, and no larger ones", function()
    local many = { { "Host", "h" } }
    for i = 1, 40 do
      many[#many + 1] = { "X-" .. i, "" }
      many[#many + 1] = { "X-Same", "" }
    end
    local res = ask("large/a?" .. ("&x"):rep(50), many)
    assert.equal(200, res.status, res.body)
    assert.matches("headers=4%d pairs=50 path=1 same=78", res.body)
    for i = 41, 10000 do
      many[#many + 1] = { "X-" .. i, "" }
    end
    assert.equal(431, ask("large/a", many).status)
    res = ask("large/" .. ("p"):rep(8000), { ["X-Value"] = ("v"):rep(8192) })
    assert.matches("path=8000", res.body)
  end)

  it("may refuse a request, with a status of its own", function()
    for path, want in pairs {
      none = { 400, '{"error":"the key function made no key of the request","code":"INVAL"}' },
      why = { 400, '{"error":"this has no key","code":"INVAL"}' },
      missing = { 404, '{"error":"no such page","code":"NOTFOUND"}' },
      gone = { 410, '{"error":"the key function made no key of the request","code":"INVAL"}' },
      empty = { 400,
        '{"error":"the key function made an empty key of the request","code":"INVAL"}' },
      long = { 400, '{"error":"the key that the key function made has 5000 bytes, '
        .. 'max_key_bytes is 4096","code":"INVAL"}' },
    } do
      local res = ask("odd/" .. path)
      assert.same(want, { res.status, (res.body:gsub("\n$", "")) }, path)
    end
    assert.equal("value of a\nb\0c", ask("odd/line").body)
    assert.equal(0, nodes[1]:stats().groups.site.key_errors)
  end)

  it("that is at fault is an error of its request, in the log and in the figures", function()
    local before = nodes[1]:stats().groups.odd
    local wrong = {
      throws = "thrown by a key function", object = "an object",
      number = "group odd: the key function returned a number, and must return a string",
      table = "group odd: the key function returned a table, and must return a string",
      fine = "returned nil and a status that is not one of 400 to 499",
      part = "returned nil and a status that is not one of 400 to 499",
      nan = "returned nil and a status that is not one of 400 to 499",
      status = "returned nil and a message that is not a string",
      yields = "the key function yielded: only functions of this API may yield",
      sleeps = "groupcache.sleep waits, and the key function cannot",
      fetches = "http.request waits, and the key function cannot",
      spawns = "groupcache.spawn waits, and the key function cannot",
      loads = "group:get waits, and the key function cannot",
      sets = "group:set waits, and the key function cannot",
      unknown = "attempt to call",
    }
    local n = 0
    for path, message in pairs(wrong) do
      local res = ask("odd/" .. path)
      assert.same({ 500, path }, { res.status, res.body:find(message, 1, true) and path
        or res.body })
      assert.matches('"code":"GETTER"', res.body, 1, true)
      n = n + 1
    end
    local after = nodes[1]:stats().groups.odd
    assert.equal(before.key_calls + n, after.key_calls)
    assert.equal(before.key_errors + n, after.key_errors)
    assert.equal(before.gets, after.gets)
    eventually(function() -- a line a second
      ask "odd/throws"
      return nodes[1]:logged('msg="a key function threw" group=odd count=%d+ error="[^"]*'
        .. "node.lua:%d+: thrown by a key function\\x0astack traceback")
    end, 20, "the trace")
    assert.truthy(nodes[1]:logged 'msg="a key function failed" group=odd count=%d+ error=')
    after = nodes[1]:stats().groups.odd
    local metrics = assert(nodes[1]:request { target = "/metrics" }).body
    assert.matches('groupcache_key_errors_total{group="odd"} ' .. after.key_errors, metrics, 1,
      true)
  end)

  it("that computes for ever is stopped, and others are asked again", function()
    for _, path in ipairs { "loops", "caught" } do
      local res = ask("odd/" .. path)
      assert.equal(504, res.status, res.body)
      assert.matches("the key function ", res.body, 1, true)
      assert.equal("value of <after>", ask("path/after").body)
    end
    local res = ask "odd/full"
    assert.truthy(res.status == 503 or res.status == 500 or res.status == 504, res.body)
    assert.equal("value of <after>", ask("path/after").body)
  end)

  it("keeps the order of requests that a client sends at once", function()
    local bytes = {}
    for i = 1, 8 do
      bytes[i] = ("GET /cache/%s HTTP/1.1\r\nHost: h\r\n%s\r\n"):format(
        i % 3 == 0 and "odd/missing" or i % 3 == 1 and "path/in-order-" .. i or "other/plain-" .. i,
        i == 8 and "Connection: close\r\n" or "")
    end
    local answers = http.raw(nodes[1].host, nodes[1].port, table.concat(bytes))
    local seen = {}
    for what in answers:gmatch "value of [<]?(%a+%-[%a%-]*%d)" do
      seen[#seen + 1] = what
    end
    assert.same({ "in-order-1", "plain-2", "in-order-4", "plain-5", "in-order-7", "plain-8" }, seen)
    assert.equal(2, select(2, answers:gsub("no such page", "")))
  end)

  it("is asked for many clients at once, which all get their own answer", function()
    local fns = {}
    for i = 1, 50 do
      fns[i] = function()
        for k = 1, 5 do
          assert.equal(("value of <%d-%d>"):format(i, k), ask(("path/%d-%d"):format(i, k)).body)
        end
      end
    end
    http.together(fns)
  end)
end)

describe("key functions in several VMs", function()
  it("share the tables and constants of the node", function()
    local _, n = rig.start [[
      local groupcache = require "groupcache"
      local asked = groupcache.shared "asked"
      local names = groupcache.constant(function() return { a = "the name of a" } end)
      groupcache.group("g", { getter = function(key) return key end,
        key = function(path, _, headers)
          if asked:incr(headers["x-client"]) > 3 then
            return nil, 429, "too many requests"
          end
          return names[path]
        end })
    ]]
    local function ask(client)
      return assert(n:get("g", "a", { headers = { ["X-Client"] = client } }))
    end
    for _ = 1, 3 do
      assert.equal("the name of a", ask("one").body)
    end
    assert.equal(429, ask("one").status)
    assert.equal("the name of a", ask("two").body)
    rig.stop(n)
  end)
end)

describe("a key whose owner is killed", function()
  it("is made, and loaded, by the node that is asked", function()
    local r = rig.new()
    local nodes = node.cluster(2, { script = r:script [[
      require("groupcache").group("g", { key = function(path) return path:lower() end,
        getter = function(key) return "value of " .. key end })
      return { workers = 1, http_threads = 1 }
    ]] })
    local key = rig.key_of(nodes, 2, "owned")
    assert.equal("value of " .. key, assert(nodes[1]:get("g", key:upper())).body)
    nodes[2]:kill9()
    key = rig.key_of(nodes, 2, "later")
    assert.equal("value of " .. key, assert(nodes[1]:get("g", key:upper())).body)
    rig.stop_all(nodes)
  end)
end)

describe("a key function that blocks", function()
  local SOURCE = [[
    local groupcache = require "groupcache"
    groupcache.group("g", {
      key = function(path)
        if path:find "^stuck" then
          os.execute("until [ -e " .. rig.dir .. "/open-stuck ]; do sleep 0.01; done")
        end
        return path
      end,
      getter = function(key)
        if key == "slow" then
          os.execute("until [ -e " .. rig.dir .. "/open-slow ]; do sleep 0.01; done")
        end
        return key, nil, 600
      end,
    })
    return { workers = 1, http_threads = 1 }
  ]]

  it("holds up no other request: its VM is replaced, and its request gets a 504", function()
    local r, n = rig.start(SOURCE)
    local stuck = {}
    http.together {
      function() stuck[1] = assert(n:get("g", "stuck-1", { timeout = 60 })) end,
      function() stuck[2] = assert(n:get("g", "stuck-2", { timeout = 60 })) end,
      function() -- behind both, until a VM is abandoned
        rig.wait(n, function() return n:stats().http.parked >= 2 end, 20, "both to be stuck")
        rig.wait(n, function() -- a busy machine may be late
          return assert(n:get("g", "quick", { timeout = 60 })).body == "quick"
        end, 60, "an answer")
      end,
    }
    for i = 1, 2 do
      assert.equal(504, stuck[i].status, stuck[i].body)
    end
    assert.equal(2, n:stats().workers.replaced)
    assert.truthy(n:logged('msg="code is stuck in a C function: its VM is abandoned and replaced" '
      .. "vm=key"))
    assert.truthy(n:logged 'msg="a key function has not answered in time" group=g')
    assert.equal("quick", assert(n:get("g", "quick")).body)
    r:open "stuck"
    rig.stop(n)
  end)

  it("does not wait for getters that block: hits are answered meanwhile", function()
    local r, n = rig.start(SOURCE)
    assert.equal("hit", assert(n:get("g", "hit")).body)
    http.together {
      function() assert.equal("slow", assert(n:get("g", "slow", { timeout = 30 })).body) end,
      function()
        rig.wait(n, function() return n:stats().workers.loads == 1 end, 20, "the getter to block")
        for _ = 1, 20 do
          assert.equal("main", assert(n:get("g", "hit")).headers["x-cache"])
        end
        r:open "slow"
      end,
    }
    rig.stop(n)
  end)

  it("is asked for a hit, also when as many requests wait for loads as may", function()
    local r, n = rig.start(SOURCE, { args = { "--workers", "1", "--max-connections", "8" } })
    assert.equal("hit", assert(n:get("g", "hit")).body)
    local fns, refused = {}, 0
    for i = 1, 7 do
      fns[i] = function()
        local res = assert(n:get("g", "slow", { timeout = 60 }))
        refused = refused + (res.status == 503 and 1 or 0)
      end
    end
    fns[8] = function()
      rig.wait(n, function() return n:stats().http.unparked > 0 end, 20, "the bound")
      for _ = 1, 5 do
        assert.equal("main", assert(n:get("g", "hit")).headers["x-cache"])
      end
      r:open "slow"
    end
    http.together(fns)
    assert.is_true(refused > 0)
    rig.stop(n)
  end)

  it("does not hold up a stop: its request gets a 503", function()
    local r, n = rig.start(SOURCE, { args = { "--workers", "1", "--drain-timeout", "0.1" } })
    local res
    http.together {
      function() res = assert(n:get("g", "stuck", { timeout = 60 })) end,
      function()
        rig.wait(n, function() return n:stats().http.parked >= 1 end, 20, "the function to block")
        n:signal "SIGTERM"
      end,
    }
    assert.same({ 503, true }, { res.status, res.body:find('"code":"CLOSED"', 1, true) ~= nil })
    eventually(function() return n:logged 'msg="stopped"' end, 30, "the stop")
    r:open "stuck"
    n:stop(30)
  end)
end)

describe("the access log", function()
  it("has the key that a function made", function()
    local path = tmp.dir() .. "/access"
    local _, n = rig.start([[
      require("groupcache").group("g", { key = function(path) return "key of " .. path end,
        getter = function(key) return key end })
    ]], { args = { "--workers", "1", "--access-log", path } })
    assert(n:get("g", "a"))
    assert(n:get("g", "a"))
    rig.stop(n)
    local log = tmp.read(path)
    for _, source in ipairs { "local", "main" } do
      assert.matches('"GET /cache/g/a HTTP/1.1" 200 8 [^\n]* ' .. source .. ' "key of a"', log)
    end
  end)
end)

describe("a reload", function()
  local function script(option)
    return ([[
      local groupcache = require "groupcache"
      groupcache.group("g", { %s getter = function(key) return key end })
      return { workers = 1, http_threads = 1 }
    ]]):format(option)
  end

  it("brings another key function, a first one, or none", function()
    local r, n = rig.start(script "")
    local function reload(option)
      tmp.write(n.script, r:script(script(option)))
      rig.reload { n }
      return assert(n:get("g", "a")).body
    end
    assert.equal("a", assert(n:get("g", "a")).body)
    assert.equal("1a", reload "key = function(path) return '1' .. path end,")
    assert.equal("2a", reload "key = function(path) return '2' .. path end,")
    assert.equal("nil", reload "key = function(path, query) return tostring(query.x) end,")
    assert.equal("a", reload "")
    assert.equal(400, assert(n:request { target = "/cache/g/a?x=1" }).status)
    assert.equal("a?x=1", (function()
      reload "query = 'key',"
      return assert(n:request { target = "/cache/g/a?x=1" }).body
    end)())
    rig.stop(n)
  end)

  it("that fails leaves the key function as it was", function()
    local r, n = rig.start(script "key = function(path) return '1' .. path end,")
    tmp.write(n.script, r:script(script "key = function(path) return '2' .. path end, ttl = 'x',"))
    n:signal "SIGHUP"
    eventually(function() return n:logged "ttl" end, 20, "the refusal")
    assert.equal("1a", assert(n:get("g", "a")).body)
    rig.stop(n)
  end)

  it("drops no request while it swaps key functions", function()
    local r, n = rig.start(script "key = function(path) return '1' .. path end,")
    local done, asked = false, 0
    http.together {
      function()
        for i = 1, 4 do
          local option = ("key = function(path) return '%d' .. path end,"):format(i)
          tmp.write(n.script, r:script(script(option)))
          rig.reload({ n }, rig.wait)
        end
        done = true
      end,
      function()
        while not done do
          local res = assert(n:get("g", "a"))
          asked = asked + 1
          assert.same({ 200, true }, { res.status, res.body:find "^%da$" ~= nil })
        end
      end,
    }
    assert.is_true(asked > 0)
    rig.stop(n)
  end)
end)

describe("the option `key`", function()
  local function check(source)
    local script = tmp.file('local groupcache = require "groupcache"\n' .. source, "wrong.lua")
    local out = process.run { node.binary, "check", script }
    return out.code, out.stdout .. out.stderr
  end

  it("is refused where it cannot be, at the line of the script", function()
    for code, message in pairs {
      ['groupcache.group("g", { key = "path", getter = print })'] =
        'wrong.lua:2: group "g": key is "path", and must be a function',
      ['groupcache.group("g", { key = print, query = "key", getter = print })'] =
        'wrong.lua:2: group "g": key makes the whole key, so query cannot stand beside it',
      ['groupcache.group("g", { key = print, vary = { "a" }, getter = print })'] =
        'wrong.lua:2: group "g": key makes the whole key, so vary cannot stand beside it',
      ['groupcache.group("g", groupcache.http.cache("http://127.0.0.1:1", { key = print }))'] =
        "wrong.lua:2: http.cache: key is no option of an HTTP cache",
    } do
      local status, text = check(code)
      assert.is_true(status ~= 0, code)
      assert.matches(message, text, 1, true)
    end
    assert.equal(0, (check [[
      groupcache.group("g", { key = function(path) return path end, getter = print })
    ]]))
  end)

  it("takes the memory of two more VMs", function()
    local function budget(option)
      local script = tmp.file(([[require("groupcache").group("g", { %s getter = print })]])
        :format(option), "node.lua")
      local out = process.run { node.binary, "check", script, "--vm-bytes", "10MiB",
        "--http-threads", "8" }
      return tonumber(out.stdout:match "may take (%d+) MiB")
    end
    assert.equal(budget "" + 20, budget "key = function(path) return path end,")
  end)

  it("must be there in every VM, or in none", function()
    local status, text = check(([[
      local mark = %q
      local first = not io.open(mark)
      assert(io.open(mark, "a")):close()
      groupcache.group("g", { getter = print,
        key = first and function(path) return path end or function(path, _) return path end })
    ]]):format(tmp.dir() .. "/mark"))
    assert.is_true(status ~= 0)
    assert.matches('group "g" is not the same in every VM: query, vary or key at', text, 1, true)
  end)

  it("is refused in a program, whose groups have no requests", function()
    local _, message = pcall(function()
      require("groupcache").group("keyed-alone", { getter = print, key = print })
    end)
    assert.matches('key_function_spec.lua:%d+: group "keyed%-alone": key is for requests, and only '
      .. "groups of a node have them", message)
  end)
end)
