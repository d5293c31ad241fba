-- SPDX-License-Identifier: MIT

-- Faults beside Go's forks. They refused our stale values. Our other nodes kept copies after a Go
-- node's change. A server without remove-keys was told in vain. A server that cuts the connection
-- was told for ten minutes. And the log did not have the reason of a 404.

local eventually = require "support.eventually"
local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

-- A Go node that answers to a batch as theirs do, and otherwise as `source` says.
local function go_node(source)
  return fake.start([[
    local function reply(c, status, body)
      c:send(("HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
        .. "Content-Length: %d\r\n\r\n%s"):format(status, #body, body))
    end
    return function(request, c)
      if request.method == "POST" and not request.target:find "_remove%-keys" then
        return reply(c, "404 Not Found", "invalid path for POST method\n")
      end
      ]] .. source .. " end")
end

local function start(f, opts)
  local port = ports.free()
  local peers = { "http://127.0.0.1:" .. port, f.url }
  local n = node.start { port = port, peers = peers, args = { "--dialect", opts.dialect },
    script = ([[
      local groupcache = require "groupcache"
      local g = groupcache.group("g", { hot = "always", getter = function(key) return "here" end })
      groupcache.group("call", { local_only = true, getter = function(keys)
        local list = {}
        for key in keys:gmatch "[^,]+" do list[#list + 1] = key end
        local ok, err, code = g:remove_many(list)
        return ok and "done" or code .. ": " .. err, nil, 0
      end })
    ]]) }
  return n, peers
end

describe("an outage beside a fork of Go's", function()
  local TAGS = { mailgun = "\x18", ["groupcache-go"] = "\x18", modernprogram = "\x10" }
  for dialect, tag in pairs(TAGS) do
    it("gives a stale value with an end that is a moment ahead: " .. dialect, function()
      local n = node.start { args = { "--dialect", dialect }, script = [[
        local groupcache = require "groupcache"
        local calls = 0
        groupcache.group("g", { ttl = 0.05, ttl_jitter = 0, stale_if_error = 100,
          getter = function()
            calls = calls + 1
            if calls > 1 then return nil, "the origin is down" end
            return "value"
          end })
      ]] }
      local function ask(headers)
        return assert(n:request { target = "/_groupcache/g/key", headers = headers })
      end
      local res
      ask()
      eventually(function()
        res = ask()
        return res.headers["x-groupcache-stale"]
      end, 5, "a stale value")
      assert.equal(200, res.status)
      -- The wire has nanoseconds since 1970 in the varint behind the tag.
      local ends = 0
      local at = assert(res.body:find(tag, 8, true))
      for i = #res.body, at + 1, -1 do
        ends = ends * 128 + res.body:byte(i) % 128
      end
      local left = ends / 1e9 - os.time()
      assert.is_true(left > -1 and left < 3, left)
      rig.stop(n)
    end)
  end
end)

describe("a change that a Go node makes at the owner", function()
  it("takes the copies of our other nodes along", function()
    local nodes = node.cluster(3, { args = { "--dialect", "mailgun" }, script = [[
      require("groupcache").group("g", { hot = "always", negative_ttl = 100,
        getter = function(key) if not key:find "^none" then return "v:" .. key end end })
    ]] })
    local urls = {}
    for i, n in ipairs(nodes) do
      urls[i] = n.url
    end
    local function sources(key)
      local list = {}
      for i, n in ipairs(nodes) do
        list[i] = assert(n:get("g", key)).headers["x-cache"]
      end
      return list
    end
    local set = "\10\1g\18%c%s\26\3new" -- a SetRequest
    for what, ask in pairs {
      set = function(key) return { method = "PUT", body = set:format(#key, key) } end,
      remove = function() return { method = "DELETE" } end,
    } do
      for _, name in ipairs { what, "none " .. what } do
        local key = rig.owned_by(urls, urls[1], name .. "-", "mailgun")
        sources(key)
        assert.same({ "hot", "hot" }, { sources(key)[2] == "error" and "hot" or sources(key)[2],
          sources(key)[3] == "error" and "hot" or sources(key)[3] })
        local opts = ask(key)
        opts.target = "/_groupcache/g/" .. http.escape(key)
        assert.equal(200, assert(nodes[1]:request(opts)).status)
        local expected = what == "set" and "new" or name == what and "v:" .. key or nil
        eventually(function()
          for _, n in ipairs { nodes[2], nodes[3] } do
            local res = assert(n:get("g", key))
            if expected and res.body ~= expected then
              return false
            end
          end
          return true
        end, 5, what .. " is known to all")
      end
    end
    rig.stop_all(nodes)
  end)
end)

describe("a Go node", function()
  local n, f

  after_each(function()
    rig.stop(n)
    f:stop()
  end)

  it("without remove-keys is told of each key by itself", function()
    f = go_node [[
      if request.method == "POST" then
        return reply(c, "405 Method Not Allowed", "Only GET, DELETE, PUT are supported\n")
      end
      reply(c, "200 OK", "")
    ]]
    n = start(f, { dialect = "groupcache-go" })
    assert.equal("done", assert(n:get("call", "a,b,c")).body)
    local deleted = {}
    for _, line in ipairs(f:requests()) do
      deleted[line:match "^DELETE /_groupcache/g/(.*)" or "another request"] = true
    end
    for _, key in ipairs { "a", "b", "c" } do
      assert.is_true(deleted[key], key)
    end
  end)

  it("that cuts the connection is told some times, and then no more", function()
    f = go_node "c:close()"
    n = start(f, { dialect = "mailgun" })
    for i = 1, 5 do
      assert.matches(i < 5 and "PEER" or "", assert(n:get("call", "a" .. i)).body)
    end
    eventually(function() return n:logged "giving up" end, 20)
    eventually(function() return n:stats().unconfirmed == 0 end, 60, "nothing is told again")
  end)

  it("that lacks the group says so in our log", function()
    f = go_node [[reply(c, "404 Not Found", "no such group: g\n")]]
    local peers
    n, peers = start(f, { dialect = "golang" })
    assert.equal("here", assert(n:get("g", rig.owned_by(peers, f.url, "key"))).body)
    assert.matches("status 404: no such group: g", n:log(), 1, true)
  end)

  it("is quoted by its first line alone", function()
    f = go_node [[
      reply(c, "418 Teapot", request.target:find "long" and ("x"):rep(5000) or "short")
    ]]
    local peers
    n, peers = start(f, { dialect = "golang" })
    assert.equal("here", assert(n:get("g", rig.owned_by(peers, f.url, "short"))).body)
    assert.matches('status 418: short"', n:log(), 1, true)
    assert.equal("here", assert(n:get("g", rig.owned_by(peers, f.url, "long"))).body)
  end)

  it("with another base_path is asked about that in our log", function()
    f = go_node [[reply(c, "404 Not Found", "404 page not found\n")]]
    local peers
    n, peers = start(f, { dialect = "golang" })
    assert.equal("here", assert(n:get("g", rig.owned_by(peers, f.url, "key"))).body)
    assert.matches("404 page not found; nothing is served at /_groupcache/ there", n:log(), 1, true)
  end)
end)
