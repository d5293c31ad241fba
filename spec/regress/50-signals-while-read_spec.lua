-- SPDX-License-Identifier: MIT

-- A signal that came before the node had its handlers ended it without a line: SIGHUP while the
-- script was read for the first time, SIGUSR1 and SIGUSR2 at any time.

local eventually = require "support.eventually"
local lfs = require "lfs"
local node = require "support.node"
local posix_signal = require "posix.signal"
local tmp = require "support.tmp"

-- Runs until the file `go` is there; `runs` counts how often the script was read.
local SCRIPT = [[
local dir = %q
local f = assert(io.open(dir .. "/runs", "a")) f:write "." f:close()
repeat local go = io.open(dir .. "/go") until go and go:close()
require("groupcache").group("g", { getter = function(key) return key end })
]]

local function runs(dir)
  return lfs.attributes(dir .. "/runs", "size") or 0
end

local function start(script, dir)
  local n = node.start { ready = false, script = script:format(dir), args = { "--workers", "1" } }
  eventually(function() return runs(dir) >= 1 end, 10, "the script runs")
  return n
end

local function is_up(n)
  return n:request { target = "/readyz" }.status == 200
end

describe("a signal that comes while the script is read for the first time", function()
  for _, name in ipairs { "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM" } do
    it("does not end the node: " .. name, function()
      local dir = tmp.dir()
      local n = start(SCRIPT, dir)
      n:signal(name)
      tmp.write(dir .. "/go", "")
      eventually(function() return is_up(n) end, 20, "it is up")
      if name == "SIGHUP" then
        eventually(function() return n:logged 'msg="reloaded"' end, 10, "the script is read again")
        assert.equal(4, runs(dir))
      elseif name ~= "SIGPIPE" then
        eventually(function() return n:logged("ignored\" name=" .. name) end, 10, "it is said")
      end
      assert.equal(0, (n:stop()))
    end)
  end

  -- In a C function, which no hook can interrupt: in the first VM, and in that of a worker.
  for _, run in ipairs { 1, 2 } do
    for _, name in ipairs { "SIGTERM", "SIGINT" } do
      it(("ends the node, with a line: %s in run %d"):format(name, run), function()
        local dir = tmp.dir()
        local n = start([[
          local dir = %q
          local f = assert(io.open(dir .. "/runs", "a")) f:write "." f:close()
          f = assert(io.open(dir .. "/runs")) local runs = #f:read "*a" f:close()
          if runs == ]] .. run .. [[ then os.execute "sleep 20" end
          require("groupcache").group("g", { getter = function(key) return key end })
        ]], dir)
        eventually(function() return runs(dir) == run end, 10, "the script waits in C")
        n:signal(name)
        if run == 2 then -- the node is about to start: one says that it is to end, two that now
          eventually(function()
            n:signal(name)
            return not n.process:alive()
          end, 5, "it ends")
        end
        local code, how, number = n.process:wait(5)
        assert.same({ nil, "signal", posix_signal[name] }, { code, how, number })
        assert.truthy(n:logged("ended by a .*signal while the script was read\" name=" .. name))
      end)
    end
  end
end)

describe("a signal that means nothing to a node", function()
  it("is said in the log, and the node goes on", function()
    local n = node.start { script = [[
      require("groupcache").group("g", { getter = function(key) return key end })
    ]] }
    for _, name in ipairs { "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM" } do
      n:signal(name)
    end
    for _, name in ipairs { "SIGUSR1", "SIGUSR2", "SIGALRM" } do
      eventually(function() return n:logged("ignored\" name=" .. name .. " ") end, 5, name)
    end
    n:signal(40) -- a signal of real time
    eventually(function() return n:logged "ignored\" name=SIG number=40\n" end, 5, "number 40")
    assert.equal("v", assert(n:get("g", "v")).body)
    assert.equal(0, (n:stop()))
  end)
end)

describe("SIGTERM while a reload is stuck in a C function", function()
  it("ends the node when it comes a second time", function()
    local dir = tmp.dir()
    local n = node.start { script = ([[
      if io.open(%q .. "/stuck") then
        io.open(%q .. "/there", "w"):close()
        os.execute "sleep 20"
      end
      require("groupcache").group("g", { getter = function(key) return key end })
    ]]):format(dir, dir) }
    tmp.write(dir .. "/stuck", "")
    n:signal "SIGHUP"
    eventually(function() return lfs.attributes(dir .. "/there") end, 10, "the script is stuck")
    n:signal "SIGTERM"
    eventually(function()
      n:signal "SIGTERM"
      return not n.process:alive()
    end, 5, "it ends")
    assert.truthy(n:logged "ended by a second signal while the script was read")
  end)
end)
