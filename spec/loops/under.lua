-- SPDX-License-Identifier: MIT

--- A node with one worker under an event loop, for getters that use the loop's own library.
--
--   local r, n = under.start("luv", head, body, { top =, timeout =, args =, env = })
--                    head, then top, then a group "g" with that body of a getter -> rig, node
--   under.get(n, key, timeout)    of "g"
--   under.quick(n)                the group "quick" of the head answers
--   under.code_of(res)            { status, code, message }

local assert = require "luassert"
local cjson = require "cjson"
local node = require "support.node"
local rig = require "node.rig"

local under = {}

function under.start(loop, head, body, opts)
  local r = rig.new()
  opts = opts or {}
  local n = node.start { args = { "--workers", "1", "--loop", loop, unpack(opts.args or {}) },
    env = opts.env, script = r:script(head .. (opts.top or "") .. ([[
      groupcache.group("g", { timeout = %g, max_loads = 1000, getter = function(key) %s end })
    ]]):format(opts.timeout or 10, body)) }
  return r, n
end

function under.get(n, key, timeout)
  return assert(n:get("g", key, { timeout = timeout or 20 }))
end

function under.quick(n)
  assert.equal("q:k", assert(n:get("quick", "k")).body)
end

function under.code_of(res)
  local body = cjson.decode(res.body)
  return { res.status, body.code, body.error }
end

return under
