-- SPDX-License-Identifier: MIT

-- A get that began after a confirmed removal could join a load that had asked a stand-in before the
-- stand-in was told. The load brought the old value. Now a stand-in says that it was asked, and
-- another round outdates such loads. spec/sim_spec.lua has the histories that showed it.

local fake = require "node.fake"
local messages = require "support.messages"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

local SCRIPT = [[
  require("groupcache").group("g", { writable = true, getter = function(key) return key end })
  return { workers = 1, http_threads = 1 }
]]

-- A node that confirms all changes, with a header for the answers to them.
local function confirming(header)
  return fake.start(([[
    return function(request, c)
      if request.method == "GET" then
        c:note("stand-in " .. (request.headers["x-groupcache-stand-in"] or "no"))
      end
      c:send("HTTP/1.1 200 OK\r\nX-Groupcache-Node: 1\r\nX-Groupcache-Since: 1000000\r\n%s"
        .. "Content-Length: 0\r\n\r\n")
    end
  ]]):format(header and header .. "\\r\\n" or ""))
end

local function started(...)
  local port = ports.free()
  local url = "http://127.0.0.1:" .. port
  local urls = { url, ... }
  return node.start { port = port, self = url, peers = urls, script = SCRIPT }, urls
end

local function count(requests, pattern)
  local n = 0
  for _, line in ipairs(requests) do
    n = n + (line:match(pattern) and 1 or 0)
  end
  return n
end

describe("a stand-in for the owner of a key", function()
  -- How often a node with that header is told of one removal.
  local function told(header)
    local f = confirming(header)
    local n, urls = started(f.url)
    local key = rig.owned_by(urls, urls[1], "k")
    local status = n:get("g", key, { method = "DELETE" }).status
    local times = count(f:requests(), "^POST")
    rig.stop(n)
    f:stop()
    assert.equal(204, status)
    return times
  end

  it("is told twice of a change if it was asked since the change began", function()
    assert.equal(2, told "X-Groupcache-Stand-In: 0")
  end)

  it("is told once if it was asked before, or never", function()
    assert.equal(1, told "X-Groupcache-Stand-In: 1000000")
    assert.equal(1, told(nil))
  end)

  it("says how long ago it was asked as such", function()
    local n = started()
    local function ask(method, target, body, header)
      local res = assert(n:request { method = method, target = "/_groupcache/" .. target,
        body = body, headers = { ["X-Groupcache-From"] = "http://127.0.0.1:1",
          ["X-Groupcache-Stand-In"] = header } })
      assert.equal(200, res.status, res.body)
      return tonumber(res.headers["x-groupcache-stand-in"])
    end
    local removal = messages.batch_request(1, { "k" })
    ask("GET", "g/k")
    assert.is_nil(ask("POST", "g", removal))
    ask("GET", "g/k", nil, "1")
    local ago = ask("POST", "g", removal)
    rig.stop(n)
    assert(ago and ago < 60000, ago)
  end)

  it("hears from who asks that it stands in", function()
    local f = confirming()
    local gone = "http://127.0.0.1:" .. ports.free()
    local n, urls = started(f.url, gone)
    n:get("g", rig.owned_by(urls, f.url, "k"))
    n:get("g", rig.owned_by(urls, gone, "k"))
    -- Another key of the node that is gone, whose next owner is the stand-in.
    for i = 1, 100 do
      n:get("g", rig.owned_by(urls, gone, "k" .. i))
    end
    local requests = f:requests()
    rig.stop(n)
    f:stop()
    assert(count(requests, "^stand%-in no$") >= 1)
    assert(count(requests, "^stand%-in 1$") >= 1, table.concat(requests, "\n"))
  end)
end)
