-- SPDX-License-Identifier: MIT

-- Eight getters that hang and eight that loop, on two VMs, beside five hundred other keys a second:
-- what these take, under each event loop.

local http = require "support.http"
local node = require "support.node"
local socket = require "socket"

local SLOW = os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP"
local RATE, CONNECTIONS, SECONDS = SLOW and 50 or 500, 25, 6

local SCRIPT = ([[
  local groupcache = require "groupcache"
  local timeout = %d
  groupcache.group("hangs", { timeout = timeout, getter = function() groupcache.sleep(1000) end })
  groupcache.group("loops", { timeout = timeout, getter = function() while true do end end })
  groupcache.group("quick", { timeout = timeout, getter = function(key) return "q:" .. key end })
]]):format(SLOW and 20 or 5)

-- Asks for a key at each of its moments, over one connection. What an answer took counts from its
-- moment, also when the answer before it came later than that.
local function client(n, which, answers)
  return function()
    local c = assert(http.connect(n.host, n.port))
    local began = socket.gettime() + which / RATE
    for i = 0, SECONDS * RATE / CONNECTIONS - 1 do
      local due, late = began + i * CONNECTIONS / RATE, true
      if due > socket.gettime() then
        http.pause(due - socket.gettime())
        late = false
      end
      local sent = socket.gettime()
      local key = which .. "-" .. i
      local res = assert(c:request { target = "/cache/quick/" .. key, timeout = 60 })
      answers[#answers + 1] = { socket.gettime() - (late and due or sent),
        res.status == 200 and res.body == "q:" .. key }
    end
    c:close()
  end
end

local function figures(answers)
  local took, failed = {}, 0
  for i, a in ipairs(answers) do
    took[i] = a[1]
    failed = failed + (a[2] and 0 or 1)
  end
  table.sort(took)
  return took[math.ceil(#took / 2)], took[math.ceil(#took * 0.99)], took[#took], failed
end

for _, loop in ipairs { "plain", "cqueues", "luv" } do
  describe("beside getters that hang and loop, under " .. loop, function()
    if loop ~= "plain" and not pcall(require, loop) then
      it("others are quick", function() pending("no " .. loop) end)
      return
    end

    it("others are quick", function()
      local n = node.start { args = { "--workers", "2", "--loop", loop }, script = SCRIPT }
      local answers, hung, fns = {}, {}, {}
      for i = 1, 8 do
        fns[#fns + 1] = function()
          local began = socket.gettime()
          local res = assert(n:get("hangs", "k" .. i, { timeout = 90 }))
          assert.equal(504, res.status)
          hung[#hung + 1] = socket.gettime() - began
        end
        fns[#fns + 1] = function()
          assert.equal(504, assert(n:get("loops", "k" .. i, { timeout = 90 })).status)
        end
      end
      for i = 1, CONNECTIONS do
        fns[#fns + 1] = client(n, i, answers)
      end
      http.together(fns)
      local median, p99, most, failed = figures(answers)
      table.sort(hung)
      print(("  %-7s others: median %.1f ms, p99 %.0f ms, most %.0f ms; hung: %.2f to %.2f s")
        :format(loop, median * 1000, p99 * 1000, most * 1000, hung[1], hung[8]))
      assert.equal(0, failed)
      assert.equal(SECONDS * RATE, #answers)
      if not SLOW then -- bounds for a machine that does other work, too
        assert(median < 1, median .. " s")
        assert(p99 < 4, p99 .. " s")
        assert(hung[1] > 4.8 and hung[8] < 15, hung[1] .. " to " .. hung[8])
      end
      assert.equal(0, (n:stop()))
    end)
  end)
end
