-- SPDX-License-Identifier: MIT

-- As the first process of a container groupcached was given the orphans of its getters' commands,
-- and did not wait for them: each stayed a zombie.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local tmp = require "support.tmp"

local UNSHARE = { "unshare", "--pid", "--fork", "--mount-proc" }

local function can_unshare()
  local ok, out = pcall(process.run, { UNSHARE[1], UNSHARE[2], UNSHARE[3], UNSHARE[4], "true" })
  return ok and out.code == 0
end

-- { pid = { state =, parent = } } of all processes.
local function processes()
  local found = {}
  local out = process.run { "ps", "-eo", "pid=,ppid=,stat=" }
  for pid, parent, state in out.stdout:gmatch "(%d+)%s+(%d+)%s+(%S+)" do
    found[tonumber(pid)] = { parent = tonumber(parent), state = state }
  end
  return found
end

local function children_of(pid)
  local list = {}
  for child, p in pairs(processes()) do
    if p.parent == pid then
      list[#list + 1] = { pid = child, state = p.state }
    end
  end
  return list
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
    first = children_of(p.pid)[1].pid
  end

  after_each(function()
    if p and p:alive() then
      process.run { "kill", "-9", tostring(first) }
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
    eventually(function() return #children_of(first) == 1 end, 5, "the node alone is left")
    assert.not_matches("Z", children_of(first)[1].state)
  end)

  it_unshared("ends with 0 by SIGTERM", function()
    start()
    process.run { "kill", "-TERM", tostring(first) }
    assert.equal(0, p:wait(10))
  end)

  it_unshared("ends with the node's status when that fails", function()
    local words = { UNSHARE[1], UNSHARE[2], UNSHARE[3], UNSHARE[4], node.binary, "--wrong" }
    assert.equal(2, process.run(words).code)
  end)

  it_unshared("ends when the node is killed", function()
    start()
    process.run { "kill", "-9", tostring(children_of(first)[1].pid) }
    assert.equal(128 + 9, p:wait(10))
  end)
end)
