-- SPDX-License-Identifier: MIT

-- A value over an eighth of cache_bytes is given to those who wait and is not kept. The older value
-- of the key stayed, so later gets went back to it.

local engine = require "unit.engine"
local C = engine.C

describe("after a load of a value that is too large to be kept", function()
  local LARGE = ("x"):rep(8000)
  local g

  local function begin(opts)
    opts.cache_bytes = 16000
    g = engine.group(opts)
  end
  after_each(function() g:ended() end)

  -- A value is there, and another one is loaded.
  local function load_anew(key, value, from_peer)
    local t = g:load(key, from_peer, nil, true)
    g:finish(g.started[#g.started], value)
    assert.equal(value, t.value)
  end

  it("no get has the value before it", function()
    begin {}
    g:set("k", "old")
    load_anew("k", LARGE)
    assert.is_nil(g:peek "k")
    load_anew("k", "newer")
    assert.equal("newer", g:peek "k")
  end)

  it("no get has an older copy", function()
    begin { hot = C.HOT_ALWAYS, owner = function() return true end }
    load_anew("k", "old")
    assert.equal("old", g:peek "k")
    load_anew("k", LARGE, true)
    assert.is_nil(g:peek "k")
  end)

  it("a copy that is too large removes the older copy alone", function()
    begin { hot = C.HOT_ALWAYS, owner = function() return true end }
    load_anew("k", "copy")
    load_anew("k", LARGE)
    assert.is_nil(g:peek "k")
    g:set("k", "own")
    load_anew("k", LARGE)
    assert.equal("own", g:peek "k")
  end)
end)
