-- SPDX-License-Identifier: MIT

-- As the first process of a container groupcached was given the orphans of its getters' commands,
-- and did not wait for them: each stayed a zombie.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local signal = require "posix.signal"
local tmp = require "support.tmp"

local UNSHARE = { "unshare", "--pid", "--fork", "--mount-proc" }

local function can_unshare()
  local ok, out = pcall(process.run, { UNSHARE[1], UNSHARE[2], UNSHARE[3], UNSHARE[4], "true" })
  return ok and out.code == 0
end

describe("groupcached as the first process of a container", function()
  local it_unshared = can_unshare() and it or pending
  local p, first, url

  local function start()
    local port = ports.free()
    local path = tmp.file([[
      require("groupcache").group("g", { getter = function(key)
        if key == "exit" then
          local pipe = io.popen "exit 3"
          local text = pipe:read "*a"
          pipe:close()
          return "read: " .. text
        end
        os.execute "sleep 0.05 >/dev/null 2>&1 &"
        return key
      end })
    ]], "node.lua")
    local words = { stderr = tmp.dir() .. "/log" }
    for _, word in ipairs(UNSHARE) do
      words[#words + 1] = word
    end
    for _, word in ipairs { node.binary, path, "--listen", "127.0.0.1:" .. port } do
      words[#words + 1] = word
    end
    p = process.spawn(words)
    url = ("http://127.0.0.1:%d"):format(port)
    eventually(function() return http.get(url .. "/readyz").status == 200 end, 20, "it is up")
    first = process.children(p.pid)[1].pid
  end

  after_each(function()
    if p and p:alive() then
      signal.kill(first, signal.SIGKILL)
      p:wait(5)
    end
    p = nil
  end)

  it_unshared("reaps what its getters' commands leave behind", function()
    start()
    for i = 1, 10 do
      assert.equal(200, http.get(url .. "/cache/g/k" .. i).status)
    end
    assert.equal("read: ", http.get(url .. "/cache/g/exit").body)
    eventually(function() return #process.children(first) == 1 end, 5, "the node alone is left")
    assert.not_matches("Z", process.children(first)[1].state)
  end)

  it_unshared("ends with 0 by SIGTERM", function()
    start()
    signal.kill(first, signal.SIGTERM)
    assert.equal(0, p:wait(10))
  end)

  it_unshared("ends with the node's status when that fails", function()
    local words = { UNSHARE[1], UNSHARE[2], UNSHARE[3], UNSHARE[4], node.binary, "--wrong" }
    assert.equal(2, process.run(words).code)
  end)

  it_unshared("ends when the node is killed", function()
    start()
    signal.kill(process.children(first)[1].pid, signal.SIGKILL)
    assert.equal(128 + 9, p:wait(10))
  end)
end)
