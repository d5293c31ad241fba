-- SPDX-License-Identifier: MIT

-- A tag was removed during a load of a group alone. Whoever had joined the load after that waited
-- for another load, which nobody ran: it and all later gets of the key waited for ever.

local groupcache = require "groupcache"
local cqueues = require "cqueues"

local loads

local function group(pause)
  loads = 0
  return groupcache.group("g", { getter = function()
    loads = loads + 1
    local value = "v" .. loads
    pause()
    return { body = value, tags = { "t" } }
  end })
end

describe("a load of a group alone, of which a tag is removed", function()
  it("is made again by a coroutine of cqueues that asked after the removal", function()
    local queue, got = cqueues.new(), {}
    local g
    g = group(function()
      if loads == 1 then
        queue:wrap(function()
          assert.is_true(g:remove_tag "t")
          got[2] = { g:get "k" }
        end)
      end
      cqueues.sleep(0.05)
    end)
    queue:wrap(function() got[1] = { g:get "k" } end)
    assert(queue:loop(10))
    assert.equal(0, queue:count())
    assert.same({ { "v1", nil, "local" }, { "v2", nil, "local" } }, got)
    assert.equal("v3", g:start("k"):result())
  end)

  it("ends a get that began after the removal with BUSY, and the next one loads", function()
    local g = group(coroutine.yield)
    local load = coroutine.wrap(function() return g:get "k" end)
    load()
    assert.is_true(g:remove_tag "t")
    local pending = g:start "k"
    assert.is_false(pending:done())
    assert.equal("v1", load())
    assert.is_true(pending:done())
    assert.same({ nil, "group g: a tag of the value was removed during its load: ask again",
      "BUSY" }, { pending:result() })
    local again = coroutine.wrap(function() return g:get "k" end)
    again()
    assert.equal("v2", again())
    assert.same({ "v2", nil, "main" }, { g:get "k" })
  end)
end)
