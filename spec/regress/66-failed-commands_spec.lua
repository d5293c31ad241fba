-- SPDX-License-Identifier: MIT

-- A command that failed became a value: LuaJIT's pipe:close() is true however the command ended.
-- And what a getter started had all signals blocked: a command within `timeout` never ended.

local eventually = require "support.eventually"
local node = require "support.node"
local process = require "support.process"
local tmp = require "support.tmp"

local SCRIPT = [[
local function show(...)
  local list = {}
  for i = 1, select("#", ...) do list[i] = tostring((select(i, ...))) end
  return table.concat(list, " ")
end
local loaded = show(os.execute "exit 4")
require("groupcache").group("g", { getter = function(key)
  local how, command = key:match "^(%w+):(.*)$"
  if how == "loaded" then return loaded end
  if how == "close" then
    local pipe = assert(io.popen(command))
    local text = pipe:read "*a"
    return text .. show(pipe:close())
  elseif how == "ioclose" then
    local pipe = assert(io.popen(command, "r"))
    return show(pipe:read "*l", io.type(pipe), io.close(pipe)) .. " " .. show(io.type(pipe))
  elseif how == "lines" then
    local pipe, list = io.popen(command), {}
    for line in pipe:lines() do list[#list + 1] = line end
    return table.concat(list, ",") .. show(pipe:close())
  elseif how == "write" then
    local pipe = io.popen(command, "w")
    pipe:write "written\n"
    return show(pipe:close())
  elseif how == "execute" then
    return show(os.execute(command))
  elseif how == "shell" then
    return show(os.execute())
  elseif how == "drop" then
    for _ = 1, 5 do io.popen(command) end
    collectgarbage() collectgarbage()
    return "dropped"
  elseif how == "collect" then
    collectgarbage() collectgarbage() -- the streams, then their children
    return show(os.execute "true")
  elseif how == "wrong" then
    return show(pcall(io.popen, command, "x")) .. show(pcall(io.popen, {}))
  end
end })
]]

describe("a command of a getter", function()
  local n

  setup(function()
    n = node.start { script = SCRIPT, args = { "--workers", "1" } }
  end)

  teardown(function()
    n:stop()
  end)

  local cases = {
    { "close:echo fine", "fine\ntrue exit 0" },
    { "close:echo half; exit 3", "half\nnil exit 3" },
    { "close:kill -9 $$", "nil signal 9" },
    { "close:no_such_command 2>/dev/null", "nil exit 127" },
    { "ioclose:echo line; exit 7", "line file nil exit 7 closed file" },
    { "lines:printf 'a\\nb\\n'; exit 1", "a,bnil exit 1" },
    { "write:grep -q written", "true exit 0" },
    { "write:grep -q other", "nil exit 1" },
    { "execute:true", "true exit 0" },
    { "execute:exit 5", "nil exit 5" },
    { "execute:kill -TERM $$", "nil signal 15" },
    { "execute:timeout 0.1 sleep 20", "nil exit 124" },
    { "close:timeout 0.1 sleep 20", "nil exit 124" },
    { "execute:yes | head -n 1 >/dev/null", "true exit 0" },
    { "shell:", "true" },
    { "loaded:", "nil exit 4" },
  }
  for _, case in ipairs(cases) do
    it(("says how it ended: %s"):format(case[1]), function()
      assert.equal(case[2], assert(n:get("g", case[1])).body)
    end)
  end

  it("that is no text raises", function()
    assert.matches("invalid mode.*string expected, got table", n:get("g", "wrong:true").body)
  end)

  it("starts with no signal blocked or ignored", function()
    local mask = n:get("g", "close:grep -E 'SigBlk|SigIgn' /proc/self/status").body
    assert.matches("SigBlk:%s+0+\n", mask)
    assert.matches("SigIgn:%s+%x+0%x%x%x\n", mask) -- SIGPIPE is in the fourth digit
  end)

  it("that nobody has waited for leaves no zombie", function()
    assert.equal("dropped", n:get("g", "drop:true").body)
    eventually(function()
      n:get("g", "collect:" .. math.random())
      local out = process.run { "ps", "--ppid", tostring(n.process.pid), "-o", "stat=" }
      return out.stdout == ""
    end, 5, "all are reaped")
  end)

  it("does not hold a pipe of another", function()
    -- cat ends when the last writer has closed its end.
    local body = n:get("g", "write:cat >/dev/null").body
    assert.equal("true exit 0", body)
  end)
end)

describe("the example with a command", function()
  it("has no value of one that fails, says nothing or stops half-way", function()
    local source = tmp.read("docs/getters.md"):match "```lua\n(%-%- reports%.lua.-)```"
    local dir = tmp.dir()
    tmp.write(dir .. "/node.lua", source)
    tmp.write(dir .. "/make-report", "#!/bin/sh\n[ $1 = good ] && { echo fine; exit 0; }\n"
      .. "[ $1 = half ] && echo 'first half'\n[ $1 = killed ] && kill -9 $$\nexit 3\n")
    process.run { "chmod", "+x", dir .. "/make-report" }
    local binary = node.binary:find "^/" and node.binary
      or require("lfs").currentdir() .. "/" .. node.binary
    local example = node.start { script = dir .. "/node.lua", cwd = dir, program = binary }
    local seen = {}
    for _, key in ipairs { "good", "half", "bad", "killed" } do
      local res = example:get("reports", key)
      seen[#seen + 1] = ("%d %s"):format(res.status, res.body)
    end
    local again = example:get("reports", "half").headers["x-cache"]
    example:stop()
    assert.same({ "200 fine\n",
      '502 {"error":"make-report: exit 3","code":"GETTER"}\n',
      '502 {"error":"make-report: exit 3","code":"GETTER"}\n',
      '502 {"error":"make-report: exit 137","code":"GETTER"}\n' }, seen)
    assert.equal("error", again)
  end)
end)
