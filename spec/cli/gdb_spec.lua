-- SPDX-License-Identifier: MIT

-- gdb/groupcache.py reads our structs by the names of their fields: on a running node, on a core.

local eventually = require "support.eventually"
local node = require "support.node"
local process = require "support.process"
local socket = require "socket"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { timeout = 60, getter = function(key)
  if key:find "^held" then groupcache.sleep(50) end
  return "v:" .. key
end })
]]

local function gdb(arguments, commands)
  local argv = { "gdb", "-q", "-batch", "-nx", timeout = 60 }
  for _, word in ipairs(arguments) do
    argv[#argv + 1] = word
  end
  for _, command in ipairs(commands) do
    argv[#argv + 1] = "-ex"
    argv[#argv + 1] = command
  end
  local ran, r = pcall(process.run, argv)
  return ran and r.stdout or "", ran and r.stderr or r
end

local function can_attach(n)
  local out = gdb({ "-p", tostring(n.process.pid) }, { "python print('attached')" })
  return out:find("attached", 1, true) and not out:find("ptrace", 1, true)
end

-- Asks and does not wait for the answer.
local function ask(n, key)
  local c = assert(socket.connect(n.host, n.port))
  c:send(("GET /cache/g/%s HTTP/1.1\r\nHost: x\r\n\r\n"):format(key))
  return c
end

local COMMANDS = {
  "source gdb/groupcache.py", "groupcache nodes", "groupcache flights", "groupcache workers",
  "python for it in elements(groups_of(nodes()[0])[0]['main'].dereference()['order']['lists'][0],"
    .. " 'item', 'order'): print(it)",
  "python print(nodes()[0]['groups'].dereference()['list'][0].dereference()['queues'][0])",
}

local it = (os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP") and pending or it

describe("gdb on a node", function()
  local n, clients

  setup(function()
    n = node.start { script = SCRIPT, args = { "--workers", 1 } }
    assert.equal(200, n:get("g", "kept").status)
    clients = { ask(n, "held-1"), ask(n, "held-1"), ask(n, "held-2") }
    eventually(function() return n:stats().groups.g.waiters == 3 end)
  end)

  teardown(function()
    for _, c in ipairs(clients) do
      c:close()
    end
    n:kill9()
  end)

  local function check(out)
    assert.matches("node " .. n.host:gsub("%.", "%%.") .. ":" .. n.port .. ": ready=1", out)
    assert.matches("group g: running=0 waiting=2 waiters=3", out)
    assert.matches('flight local waiting g%["held%-1"%] waiters=2', out)
    assert.matches("2 flights", out)
    assert.matches("lua%-1: crew, gdb thread %d+, heap %d+ bytes, loads=2", out)
    assert.matches('waits: flight local waiting g%["held%-2"%] waiters=1', out)
    assert.matches('item "kept" = "v:kept" %(6 bytes%)', out)
    assert.matches("list: empty", out)
  end

  it("says what it does, of a process and of its core", function()
    if not can_attach(n) then
      return pending "gdb cannot attach here"
    end
    local core = tmp.dir() .. "/core"
    local out, err = gdb({ "-p", tostring(n.process.pid) }, COMMANDS)
    check(out .. err)
    out, err = gdb({ "-p", tostring(n.process.pid) }, { COMMANDS[1], "groupcache lua" })
    assert.matches("lua%-1 \"held%-2\": stack traceback:.-node%.lua:3: in function", out .. err)
    gdb({ "-p", tostring(n.process.pid) }, { "generate-core-file " .. core })
    out, err = gdb({ node.binary, core }, COMMANDS)
    check(out .. err)
  end)
end)
