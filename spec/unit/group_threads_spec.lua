-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local tmp = require "support.tmp"
local C = require("support.unit").load("cache/group.h", "cache/stats.h")

local S = require "unit.shim"(tmp.read "spec/unit/crowd.c", [[
struct crowd_result { uint64_t values, errors, wrong_values, wrong_errors; };
struct group *crowd_run(unsigned getters, unsigned rounds, int close_early,
                        struct crowd_result *out);
unsigned queue_run(unsigned *refused);
uint64_t versions_run(uint64_t hits);
]])

describe("a group under many threads", function()
  local function run(getters, rounds, close_early)
    local r, s = ffi.new "struct crowd_result", ffi.new "struct stats"
    local g = S.crowd_run(getters, rounds, close_early and 1 or 0, r)
    C.group_stats(g, s)
    C.group_unref(g)
    assert.equal(0, tonumber(r.wrong_values))
    assert.equal(0, tonumber(r.wrong_errors))
    assert.equal(getters * rounds, tonumber(r.values + r.errors)) -- everyone came back
    assert.equal(getters * rounds, tonumber(s.gets))
    assert.equal(0, tonumber(s.flights))
    assert.equal(0, tonumber(s.waiters))
    return r, s
  end

  it("answers every get with its own value or a reason", function()
    local r, s = run(16, 3000)
    assert.is_true(r.values > 0 and r.errors > 0)
    -- The run was worth something: every kind of event has come up.
    for _, name in ipairs { "cache_hits", "peer_loads", "peer_errors", "local_loads",
      "local_load_errs" } do
      assert(s[name] > 0, name)
    end
    assert.is_true(s.loads > s.loads_deduped)
    assert.is_true(s.main.evictions + s.hot.evictions > 0)
  end)

  it("answers every get also when it is closed meanwhile", function()
    local r = run(16, 3000, true)
    assert.is_true(r.errors > 0)
  end)

  it("gives no reader what was replaced, removed or flushed before it asked", function()
    assert.equal(0, tonumber(S.versions_run(300000)))
  end)

  it("empties the longest queue there is behind a loader that refuses", function()
    local refused = ffi.new "unsigned[1]"
    assert.equal(tonumber(C.GROUP_MAX_FLIGHTS), tonumber(S.queue_run(refused)))
    assert.equal(C.GROUP_MAX_FLIGHTS - 1, tonumber(refused[0]))
  end)
end)
