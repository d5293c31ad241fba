-- SPDX-License-Identifier: MIT

-- The log of a node: its form, the levels of its modules, and what it never has.

local certs = require "support.certs"
local cjson = require "cjson.safe"
local eventually = require "support.eventually"
local messages = require "support.messages"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"
local C = require("support.unit").load "wire/batch.h"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.log("warn", 'the "script" runs', { msg = "é\n", n = 2, bytes = "\255" })
groupcache.group("g", { writable = true, getter = function(key)
  if key == "throws" then error("no luck\nat \255") end
  if key == "fails" then return nil, "no luck" end
  return "v:" .. key
end })
]]

local function objects_of(text)
  local list = {}
  for line in text:gmatch "([^\n]*)\n" do
    list[#list + 1] = assert(cjson.decode(line), "no JSON: " .. line)
  end
  return list
end

local function find(list, msg)
  for _, each in ipairs(list) do
    if each.msg == msg then
      return each
    end
  end
end

-- The first line with that text, once it is there.
local function line_of(n, msg)
  return eventually(function()
    return find(objects_of(n:log()), msg)
  end, 5, msg)
end

describe("the log", function()
  local n, path

  local function start(args, opts)
    opts = opts or {}
    path = tmp.dir() .. "/access.log"
    opts.script, opts.args = opts.script or SCRIPT, { "--access-log", path, "--workers", "1" }
    for _, arg in ipairs(args) do
      table.insert(opts.args, arg)
    end
    n = node.start(opts)
  end

  after_each(function()
    if n then
      rig.stop(n)
      n = nil
    end
  end)

  it("is JSON, from the script's first line to the last of all", function()
    start { "--log-format", "json" }
    assert.equal(502, assert(n:get("g", "throws")).status)
    assert.equal(502, assert(n:get("g", "fails")).status)
    local said = line_of(n, 'the "script" runs')
    assert.same({ "warn", "script", "é\n", 2, "ÿ" },
      { said.level, said.mod, said.msg_, said.n, said.bytes })
    local thrown = line_of(n, "getter threw")
    assert.matches("node.lua:4: no luck\nat ÿ\nstack traceback:", thrown.error, 1, true)
    assert.equal("g", line_of(n, "loads failed").group)
    assert.equal("number", type(line_of(n, "ready").ms))
    local log = n.log_path
    rig.stop(n)
    n = nil
    assert.truthy(find(objects_of(tmp.read(log)), "stopped"))
  end)

  it("is JSON in the access log, too", function()
    start { "--log-format", "json" }
    n:get("g", 'a/"é\n\255', { headers = { { "User-Agent", 'an "agent"' } } })
    n:request { method = "POST", target = "/cache/g", body = '["a"]' }
    local list = eventually(function()
      local found, all = {}, objects_of(tmp.read(path))
      for _, each in ipairs(all) do
        found[#found + 1] = each.target:find "^/cache/" and each or nil
      end
      return #found == 2 and found
    end, 5, "two requests are in the access log")
    table.sort(list, function(a, b) return a.method < b.method end)
    local get, post = list[1], list[2]
    assert.matches("^%d%d%d%d%-", get.time)
    assert.is_true(get.seconds >= 0 and get.seconds < 5)
    assert.same({ "127.0.0.1", "GET", "/cache/g/a%2F%22%C3%A9%0A%FF", "HTTP/1.1", 200, 9,
      'an "agent"', "local", 'a/"Ã©\nÿ' },
      { get.client, get.method, get.target, get.version, get.status, get.bytes, get.user_agent,
        get.source, get.key })
    assert.same({ "POST", 200 }, { post.method, post.status })
    assert.is_nil(post.source or post.key or post.referer or post.user_agent)
  end)

  it("has the levels of single modules, which a reload changes", function()
    start({ "--log-level", "error,node=info" })
    assert.is_nil(n:logged "mod=script")
    assert.truthy(n:logged 'mod=node msg="ready"')
    rig.stop(n)
    start({}, { script = SCRIPT .. 'return { log_level = { "off", script = "warn" } }\n' })
    tmp.write(n.script, SCRIPT .. 'return { log_level = { node = "off" }, log_format = "json" }\n')
    n:signal "SIGHUP"
    eventually(function()
      n:get("g", "throws")
      return n:logged '{"time":[^\n]*"mod":"script","msg":"getter threw"'
    end, 30, "a line in the other form")
    assert.is_nil(n:logged "node\"")
  end)

  it("says which levels and forms there are", function()
    local dir = tmp.dir()
    local function check(script, ...)
      tmp.write(dir .. "/s.lua", SCRIPT .. script)
      return process.run { node.binary, "check", dir .. "/s.lua", ... }.stderr
    end
    assert.matches('log_level is "info,peer=debug", and must be levels of modules that there are: '
      .. 'access, change', check 'return { log_level = "info,peer=debug" }', 1, true)
    assert.matches('log_level is a table, and must be debug, info, warn, error or off', check
      'return { log_level = { peers = 7 } }', 1, true)
    assert.matches('log-level is "loud", and must be debug', check("", "--log-level", "loud"), 1,
      true)
    assert.matches('log_format is "xml", and must be one of "text", "json"',
      check 'return { log_format = "xml" }', 1, true)
  end)

  it("has no secret, token, private key or value, even at debug", function()
    local dir = tmp.dir()
    local secret, token, value = "a-secret-of-16-bytes", "a-token-of-clients", "the-value-itself"
    tmp.write(dir .. "/token", token .. "\n")
    local ca = certs.ca "cluster"
    local pair = ca:issue { name = "node" }
    local nodes = node.cluster(2, { tls = { cert = pair.cert, key = pair.key, ca = ca.path },
      script = ([[
        local groupcache = require "groupcache"
        groupcache.group("g", { writable = { token_file = %q },
          getter = function(key) if key == "fails" then return nil, "no luck" end return %q end })
      ]]):format(dir .. "/token", value),
      args = { "--peer-secret", secret, "--log-level", "debug" } })
    local auth = "Authorization: Bearer " .. token
    for i = 1, 20 do
      local target = "/cache/g/k" .. i
      assert.equal(200, nodes[1]:curl({ target }).status)
      assert.equal(204, nodes[1]:curl({ target, method = "PUT", body = value, headers = { auth } })
        .status)
      assert.equal(204, nodes[2]:curl({ target, method = "DELETE", headers = { auth } }).status)
      nodes[2]:curl({ target, method = "DELETE", headers = { auth .. "x" } })
    end
    nodes[1]:curl { "/cache/g/fails" }
    nodes[1]:curl { "/_groupcache/g", method = "POST",
      body = messages.batch_request(C.BATCH_REMOVE, { "k" }),
      headers = { "X-Groupcache-Auth: v1 s=1" } }
    local private = tmp.read(pair.key):match "\n([^\n]+)\n"
    for i, each in ipairs(nodes) do
      rig.stop(each)
      local log = each:log()
      assert.truthy(log:find "level=%a+ mod=", "node " .. i .. " wrote nothing")
      for _, hidden in ipairs { secret, token, value, private } do
        assert.is_nil(log:find(hidden, 1, true), hidden)
      end
    end
  end)
end)
