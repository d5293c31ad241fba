-- SPDX-License-Identifier: MIT

-- The kernel took up to 4 MB of an answer for a client that did not read it. No budget knew of that
-- memory, and the copy made hits of 1 MB slower.

local eventually = require "support.eventually"
local rig = require "node.rig"
local tmp = require "support.tmp"

-- The bytes that wait in the node's sockets, with those that the other side has not taken yet.
local function queued(port)
  local sum = 0
  local pattern = (": %%x+:%04X %%x+:%%x+ 01 (%%x+):"):format(port)
  for bytes in tmp.read("/proc/net/tcp"):gmatch(pattern) do
    sum = sum + tonumber(bytes, 16)
  end
  return sum
end

describe("an answer that its client does not read", function()
  it("stays in the value's memory, but for a small part", function()
    local _, n = rig.start [[
      require("groupcache").group("g", { max_value_bytes = "8MB", getter = function()
        return ("x"):rep(8000000)
      end })
    ]]
    local reader = n:connect()
    assert(reader:send "GET /cache/g/k HTTP/1.1\r\nHost: x\r\n\r\n")
    local last, same = 0, 0
    eventually(function() -- it grows no more
      local bytes = queued(n.port)
      same = bytes > 0 and bytes == last and same + 1 or 0
      last = bytes
      return same >= 4
    end, 30, "the answer is under way")
    assert(last < 1000000, last)
    local got = assert(reader:receive(8000000))
    assert.matches("^HTTP/1.1 200 OK", got)
    reader:close()
    rig.stop(n)
  end)
end)
