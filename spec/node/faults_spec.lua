-- SPDX-License-Identifier: MIT

-- Every single allocation of a request fails once, for each kind of request. That request may get
-- an error; the node lives, nothing leaks, and no load is stuck.

local cjson = require "cjson"
local eventually = require "support.eventually"
local faults = require "support.faults"
local messages = require "support.messages"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"
local C = require("support.unit").load "wire/batch.h"

local MOST = 3000 -- allocations of a request
local BODY = ("v"):rep(100000)

local SCRIPT = [[
local groupcache = require "groupcache"
local http = require "groupcache.http"
local g
g = groupcache.group("g", { writable = true, hot = "never", timeout = 5, getter = function(key)
  local url = key:match "^fetch:[^:]*:(.*)"
  if url then
    local res, err, code = http.get(url)
    return res and res.body, err, code
  end
  if key:find "^sleep" then groupcache.sleep(0.001) end
  if key:find "^nested" then return g:get("in" .. key) end
  if key:find "^many" then
    local values, errors = g:get_many { "a" .. key, "b" .. key }
    if not values then return nil, "NOMEM: " .. tostring(errors) end
    return values["a" .. key], errors["a" .. key] and errors["a" .. key].message
  end
  return "v:" .. key
end })
groupcache.group("alone", { local_only = true, ttl = 60, stale_if_error = 60,
  getter = function(key) return "v:" .. key end })
]]

local f, why = faults.new()
if not f then
  pending(why)
  return
end

describe("a node whose memory ends", function()
  local n, peer, urls, away

  local function url_of(name)
    return ("http://127.0.0.1:%d/cache/alone/%s"):format(peer.port, name)
  end

  setup(function()
    local ports = require "support.ports"
    local a, b = ports.free(), ports.free()
    urls = { "http://127.0.0.1:" .. a, "http://127.0.0.1:" .. b }
    away = { urls[1], "http://127.0.0.1:" .. ports.free() } -- nobody is there
    n = node.start { script = SCRIPT .. ([[
      groupcache.group("away", { peers = { %q, %q }, getter = function(key) return key end })
    ]]):format(unpack(away)), env = f.env, port = a, peers = urls,
      args = { "--workers", "1", "--http-threads", "1" } }
    peer = node.start { script = SCRIPT, port = b, peers = urls }
  end)

  teardown(function()
    f:fail_after(-1)
    rig.stop(n)
    rig.stop(peer)
  end)

  local count = 0
  local function key_of(url, name, list)
    count = count + 1
    return rig.owned_by(list or urls, url, name .. count .. ".")
  end

  local function get(name, owner)
    return function() return n:get("g", key_of(owner or urls[1], name), { timeout = 8 }) end
  end

  local function request(method, target, body, headers)
    return function()
      count = count + 1
      return n:request { method = method, target = target:gsub("#", count), headers = headers,
        body = body and body:gsub("#", count):gsub("%%04d", ("%04d"):format(count)), timeout = 8 }
    end
  end

  local function told(op, value)
    return function()
      count = count + 1
      return n:request { method = "POST", target = "/_groupcache/g", timeout = 8,
        headers = { ["X-Groupcache-From"] = urls[2] },
        body = messages.batch_request(op, op == C.BATCH_FLUSH and {} or { "told" .. count },
          value) }
    end
  end

  local KINDS = {
    { "a hit", request("GET", "/cache/alone/hit") },
    { "a miss", get "miss" },
    { "a getter that waits", get "sleep" },
    { "a getter that asks for another key", get "nested" },
    { "a getter that asks for many keys", get "many" },
    { "a getter that asks a server", function()
      return n:get("g", ("fetch:%s:%s"):format(key_of(urls[1], "x"), url_of "x"))
    end },
    { "a key of a peer", get("far", nil) },
    { "a peer's get", request("GET", "/_groupcache/alone/k#", nil,
      { ["X-Groupcache-From"] = "http://127.0.0.1:1" }) },
    { "a peer's batch", request("POST", "/_groupcache/alone", "\18\8one-%04d\18\8two-%04d") },
    { "a list", request("POST", "/cache/g", '["a-#","b-#","c-#","d-#"]') },
    { "a list of a peer's keys", function()
      return n:request { method = "POST", target = "/cache/g", timeout = 8,
        body = cjson.encode { key_of(urls[2], "far"), key_of(urls[2], "far") } }
    end },
    { "a key whose owner is away", function()
      return n:request { target = "/cache/away/" .. key_of(away[2], "k", away), timeout = 8 }
    end },
    { "a key with a condition", request("GET", "/cache/alone/hit", nil,
      { ["If-None-Match"] = '"other"' }) },
    { "a large head", request("GET", "/cache/alone/hit", nil, {
      ["X-Large"] = ("x"):rep(6000) }) },
    { "a value in pieces", function()
      return n:request { method = "PUT", target = "/cache/g/set", timeout = 8, body = BODY }
    end },
    { "a peer's set", told(C.BATCH_SET, "value") },
    { "a peer's removal", told(C.BATCH_REMOVE) },
    { "a peer's flush", told(C.BATCH_FLUSH) },
    { "a set", request("PUT", "/cache/g/set#", "value") },
    { "a removal", request("DELETE", "/cache/g/set#") },
    { "a flush", request("DELETE", "/cache/g") },
    { "/stats", request("GET", "/stats") },
    { "/metrics", request("GET", "/metrics") },
    { "/peers/http_sd", request("GET", "/peers/http_sd") },
    { "/recent", request("GET", "/recent") },
    { "/explain", request("GET", "/explain/g/k") },
    { "the page", request("GET", "/") },
  }

  for _, kind in ipairs(KINDS) do
    it("answers " .. kind[1] .. ", whichever allocation fails", function()
      local ask = kind[2]
      if kind[1] == "a key of a peer" then
        ask = get("far", urls[2])
      end
      local seen, at = {}, 0
      assert(ask())
      repeat
        local before = f:failed()
        f:fail_after(at)
        local res, err = ask()
        f:fail_after(-1)
        local what = res and tostring(res.status) or err
        seen[what] = (seen[what] or 0) + 1
        assert(n.process:alive(), ("%s, allocation %d: the node ended (%s)\n%s"):format(kind[1], at,
          f:place(), n:log()))
        assert(what ~= "timeout", ("%s, allocation %d: no answer (%s)"):format(kind[1], at,
          f:place()))
        at = at + 1
      until f:failed() == before or at > MOST
      assert(at <= MOST, "no end")
      if os.getenv "VERBOSE" then
        for what, times in pairs(seen) do io.write(kind[1], " ", what, " ", times, "\n") end
      end
      for what in pairs(seen) do
        assert(what == "closed" or tonumber(what), kind[1] .. ": " .. what)
      end
      local res = assert(ask())
      assert(res.status < 300, kind[1] .. ": " .. res.status)
      eventually(function()
        local stats = n:stats()
        local left = stats.http.parked + stats.http.body_bytes + stats.unconfirmed
          + stats.workers.loads
        for _, group in pairs(stats.groups) do
          left = left + group.flights + group.waiters
        end
        return left == 0 and stats.http.active == 1
      end, 8, "nothing is left of " .. kind[1])
    end)
  end

  it("reloads or says why not, whichever allocation fails", function()
    local at, failures = 0, 0
    local function ended()
      local _, fine = n:log():gsub('msg="reloaded"', "")
      local _, refused = n:log():gsub('msg="not reloaded', "")
      return fine + refused, refused
    end
    repeat
      local before, so_far = f:failed(), ended()
      f:fail_after(at)
      n:signal "SIGHUP"
      eventually(function()
        return not n.process:alive() or ended() > so_far
      end, 10, "the end of a reload, allocation " .. at)
      f:fail_after(-1)
      assert(n.process:alive(), ("allocation %d: the node ended (%s)\n%s"):format(at, f:place(),
        n:log():sub(-2000)))
      at = at + 1 + math.floor(at / 6) -- a reload allocates tens of thousands of times
      failures = failures + f:failed() - before
    until f:failed() == before
    local _, refused = ended()
    if os.getenv "VERBOSE" then
      io.write(("%d reloads with a failure, %d refused, %d allocations\n"):format(failures, refused,
        at))
    end
    assert(failures > 20, failures)
    assert.equal(200, assert(n:get("alone", "hit")).status)
    assert.equal(200, assert(n:get("alone", "other")).status)
  end)

  it("writes a snapshot or says why not, whichever allocation fails", function()
    local dir = tmp.dir()
    local own = node.start { script = SCRIPT, env = f.env, args = { "--workers", "1",
      "--snapshot-path", dir .. "/snapshot", "--snapshot-every", "0.02" } }
    assert.equal(200, assert(own:get("alone", "k")).status)
    local function ended()
      local _, fine = own:log():gsub('mod=snapshot msg="?written', "")
      local _, refused = own:log():gsub('mod=snapshot msg="not written', "")
      return fine + refused, refused
    end
    local at = 0
    repeat
      local so_far = ended()
      local before = f:failed()
      f:fail_after(at)
      eventually(function()
        return not own.process:alive() or ended() >= so_far + 2 -- one may be under way
      end, 10, "the end of a snapshot, allocation " .. at)
      f:fail_after(-1)
      assert(own.process:alive(), ("allocation %d: the node ended (%s)\n%s"):format(at, f:place(),
        own:log():sub(-2000)))
      at = at + 1
    until f:failed() == before or at > MOST
    assert(at > 2 and at <= MOST, at)
    rig.stop(own)
    local again = node.start { script = SCRIPT, args = { "--workers", "1", "--snapshot-path",
      dir .. "/snapshot" } }
    eventually(function() return again:stats().groups.alone.main.items == 1 end, 5, "the value")
    rig.stop(again)
  end)
end)
