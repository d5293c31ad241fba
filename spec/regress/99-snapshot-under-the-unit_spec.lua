-- SPDX-License-Identifier: MIT

-- The example's unit forbade setpriority(), which the thread of the snapshot calls: systemd ended a
-- node with a snapshot_path by SIGSYS, at once.

local process = require "support.process"
local tmp = require "support.tmp"

-- The system calls of a name in a unit: a set of systemd's begins with @.
local function calls_of(name)
  if name:sub(1, 1) ~= "@" then
    return { name }
  end
  local list = {}
  for word in process.run({ "systemd-analyze", "syscall-filter", name }).stdout
    :gmatch "\n +([@%w_%-]+)" do
    for _, call in ipairs(calls_of(word)) do
      list[#list + 1] = call
    end
  end
  assert(#list > 0, name)
  return list
end

describe("the unit of examples/systemd", function()
  local allowed, errno = {}, nil

  setup(function()
    local unit = tmp.read "examples/systemd/groupcached.service"
    errno = unit:match "\nSystemCallErrorNumber=(%u+)"
    for not_these, names in unit:gmatch "\nSystemCallFilter=(~?)([^\n]+)" do
      for name in names:gmatch "%S+" do
        for _, call in ipairs(calls_of(name)) do
          allowed[call] = not_these == ""
        end
      end
    end
  end)

  it("lets a node raise its descriptors, and the thread of the snapshot give way", function()
    for _, call in ipairs { "epoll_wait", "prlimit64", "setpriority" } do
      assert.is_true(allowed[call], call)
    end
    assert.is_false(allowed.chown)
  end)

  it("gives an error for another call, and does not end the node", function()
    assert.equal("EPERM", errno)
  end)
end)
