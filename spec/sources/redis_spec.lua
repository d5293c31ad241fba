-- SPDX-License-Identifier: MIT

-- examples/redis.lua before a real server, which is restarted, killed and slow meanwhile.

local http = require "support.http"
local many = require "sources.many"
local node = require "support.node"
local redis = require "sources.redis"
local rig = require "node.rig"

local EXAMPLE = "examples/redis.lua"

-- The errors of a getter when its server ends, at any stage.
local GONE = { ["Connection refused"] = true, ["Connection reset by peer"] = true,
  ["connection closed"] = true, ["Broken pipe"] = true }

local only_with_server = require "sources.with"(redis, it, function(why) pending(why) end)

describe("examples/redis.lua", function()
  local server, n

  setup(function()
    if not redis.missing then
      server = redis.start()
      for _, key in ipairs(many.keys(1000)) do
        server:call("SET", key, many.value(key))
      end
      server:call "SAVE" -- what is there again after it was killed
    end
  end)

  teardown(function()
    if server then
      assert.equal(0, server:stop())
    end
  end)

  before_each(function()
    if server then
      server:call("CONFIG", "RESETSTAT")
    end
  end)

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  local function start(...)
    n = node.start { script = EXAMPLE, env = { REDIS = server.address }, args = { ... } }
  end

  -- Takes those that failed out of the answers. -> their keys, how many were refused
  local function take_failed(answers)
    local failed, refused = {}, 0
    for key, res in pairs(answers) do
      if res.status ~= 200 then
        local why = many.said(res):match '^502 {"error":"Redis: ([^"]*)","code":"GETTER"}$'
        assert(GONE[why or ""], key .. " said " .. many.said(res))
        failed[#failed + 1] = key
        refused = refused + (why == "Connection refused" and 1 or 0)
        answers[key] = nil
      end
    end
    return failed, refused
  end

  only_with_server("loads a thousand keys, each once, over connections that are kept", function()
    start()
    local keys = many.keys(1000)
    assert.same({ ["local"] = 1000 }, many.right(many.ask(n, "pages", keys)))
    assert.same({ main = 1000 }, many.right(many.ask(n, "pages", keys)))
    assert.equal(1000, server:served())
    local most = 8 * n:stats().workers.vms -- many.ask's eight at a time, in any of the VMs
    assert(server:connections() <= most, server:connections() .. " connections")
  end)

  only_with_server("takes any key, and any value", function()
    start()
    local odd = { "a\0b", "\r\nSET x y\r\n", "*1\r\n$4\r\nPING\r\n", "\255", ("x"):rep(4096), "" }
    for _, key in ipairs(odd) do
      assert.equal(404, assert(n:get("pages", key)).status)
    end
    local values = { "\0", "", "\r\n", "$-1\r\n", ("0123456789"):rep(100000) }
    for i, value in ipairs(values) do
      server:call("SET", "odd\0" .. i, value)
      assert.equal(value, assert(n:get("pages", "odd\0" .. i)).body)
    end
    assert.equal("PONG", server:call "PING")
  end)

  only_with_server("says what the server says, and goes on", function()
    start "--workers=1"
    server:call("LPUSH", "list", "item")
    local res = assert(n:get("pages", "list"))
    assert.equal('502 {"error":"Redis: WRONGTYPE Operation against a key holding the wrong kind of '
      .. 'value","code":"GETTER"}', many.said(res))
    assert.same({ ["local"] = 10 }, many.right(many.ask(n, "pages", many.keys(10))))
  end)

  only_with_server("says that Redis does not answer while it is restarted", function()
    start()
    local keys = many.keys(1000)
    local answers = many.ask(n, "pages", keys, function(count)
      if count == 300 then
        assert.equal(0, server:stop())
      elseif count == 600 then
        server:start()
      end
    end)
    local failed, refused = take_failed(answers)
    many.right(answers)
    -- But for what was under way when the server stopped and started.
    assert(#failed >= 290 and #failed <= 310, #failed .. " failed")
    assert(refused >= #failed - 10, refused .. " refused of " .. #failed)

    assert.same({ ["local"] = #failed }, many.right(many.ask(n, "pages", failed)))
    assert.same({ main = 1000 }, many.right(many.ask(n, "pages", keys)))
    assert.equal(1000, n:stats().groups.pages.local_loads)
    assert.is_nil(n:logged "level=error")
  end)

  only_with_server("starts without the server, and finds it once it is there", function()
    assert.equal(0, server:stop())
    start()
    local keys = many.keys(20)
    for _, res in pairs(many.ask(n, "pages", keys)) do
      assert.equal(many.promised(EXAMPLE), many.said(res))
    end
    server:start()
    assert.same({ ["local"] = 20 }, many.right(many.ask(n, "pages", keys)))
  end)

  only_with_server("has every getter of one VM wait at once for a server that is slow, and tells "
    .. "all of them when it is killed", function()
    start "--workers=1"
    many.right(many.ask(n, "pages", many.keys(8)))
    server.process:freeze()
    local keys, answers, fns = many.keys(50, 101), {}, {}
    for i, key in ipairs(keys) do
      fns[i] = function()
        answers[key] = assert(n:get("pages", key, { timeout = 20 }))
      end
    end
    fns[#fns + 1] = function()
      rig.wait(n, function() return n:stats().groups.pages.flights == 50 end, 10, "all wait")
      assert.same({ main = 1 }, many.right { [many.keys(1)[1]] =
        assert(n:get("pages", many.keys(1)[1])) })
      server:kill9()
    end
    http.together(fns)
    assert.equal(50, #take_failed(answers))

    server:start()
    assert.same({ ["local"] = 50 }, many.right(many.ask(n, "pages", keys)))
  end)

  only_with_server("never gives half a value when the server is killed while it sends", function()
    start()
    local keys, big = {}, ("0123456789abcdef"):rep(2 ^ 18)
    for i = 1, 16 do
      keys[i] = "big " .. i
      server:call("SET", keys[i], big)
    end
    local answers = many.ask(n, "pages", keys, function(count)
      if count == 1 then
        server:kill9()
      end
    end)
    local failed = take_failed(answers)
    assert(#failed >= 8, #failed .. " failed")
    many.right(answers, function() return big end)
    server:start()
  end)

  only_with_server("ends at the deadline when the server never answers, and is in step later",
    function()
      start "--workers=1"
      many.right(many.ask(n, "pages", many.keys(8)))
      server.process:freeze()
      local res = assert(n:get("pages", many.keys(1, 500)[1], { timeout = 20 }))
      server.process:kill "SIGCONT"
      assert.equal(504, res.status)
      assert.same({ ["local"] = 100 }, many.right(many.ask(n, "pages", many.keys(100, 500))))
    end)
end)
