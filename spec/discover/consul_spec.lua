-- SPDX-License-Identifier: MIT

-- A list of peers in Consul, as a stand-in plays it (support/consul.lua).

local consul = require "support.consul"
local eventually = require "support.eventually"
local listed = require "discover.listed"
local rig = require "node.rig"

describe("a list of peers in Consul", function()
  local c, nodes

  local function start(options)
    local n = listed.start(("consul://%s/gc?ttl=3%s"):format(c.address, options or ""))
    nodes[#nodes + 1] = n
    return n
  end

  local function urls(...)
    local all = { ... }
    for _, n in ipairs(nodes) do
      all[#all + 1] = n.url
    end
    return all
  end

  local function agree(...)
    for _, n in ipairs(nodes) do
      listed.wait(n, urls(...), 30)
    end
  end

  local function id(n)
    return "gc-" .. n.url:gsub("^http://", "")
  end

  before_each(function()
    c, nodes = consul.start(), {}
  end)

  after_each(function()
    for _, n in ipairs(nodes) do
      rig.stop(n)
    end
    c:stop()
  end)

  it("has each node that starts, by a query that waits, and loses each that ends", function()
    start()
    start()
    agree()
    assert.equal(2, #c:services())
    c:set { add = "10.9.0.1:80" }
    agree "http://10.9.0.1:80"
    assert.is_true(c:asked "passing&index=%d+&wait=30s" > 0)
    local leaving = table.remove(nodes)
    rig.stop(leaving)
    agree "http://10.9.0.1:80"
    assert.equal(2, #c:services())
  end)

  it("loses a node that is killed, whose check is not renewed", function()
    start()
    start()
    agree()
    table.remove(nodes):kill9()
    agree()
  end)

  it("has a node again that its agent has forgotten", function()
    start()
    agree()
    c:set { drop = id(nodes[1]) }
    assert.same({}, c:services())
    eventually(function() return #c:services() == 1 end, listed.patience)
  end)

  for _, mode in ipairs { "fail", "cut", "html" } do
    it(("stays while the answer is wrong: %s"):format(mode), function()
      local n = start()
      c:set { add = "10.9.0.1:80" }
      agree "http://10.9.0.1:80"
      c:set { mode = mode }
      eventually(function() return listed.source(n).errors > 0 end, listed.patience)
      listed.wait(n, urls "http://10.9.0.1:80", 0.1)
      c:set { mode = "fine", add = "10.9.0.2:80" }
      listed.wait(n, urls("http://10.9.0.1:80", "http://10.9.0.2:80"), 30)
    end)
  end

  for _, mode in ipairs { "late", "lower", "zero" } do
    it(("is followed, and not asked all the time, with an index or a wait that is %s"):format(mode),
      function()
        local n = start()
        c:set { mode = mode }
        c:set { add = "10.9.0.1:80" }
        listed.wait(n, urls "http://10.9.0.1:80")
        c:set { add = "10.9.0.2:80" }
        listed.wait(n, urls("http://10.9.0.1:80", "http://10.9.0.2:80"))
        local before = c:asked "passing"
        eventually(function() return c:asked "check/pass" >= 3 end, listed.patience)
        assert.is_true(c:asked "passing" - before <= 12)
        assert.equal(0, listed.source(n).errors)
      end)
  end

  it("that is suddenly empty must be so for three looks", function()
    local n = start()
    for i = 1, 3 do
      c:set { add = ("10.9.0.%d:80"):format(i) }
    end
    agree("http://10.9.0.1:80", "http://10.9.0.2:80", "http://10.9.0.3:80")
    c:set { mode = "empty" }
    eventually(function() return listed.source(n).held == 2 end, listed.patience)
    c:set { mode = "fine" }
    eventually(function() return listed.source(n).held == 0 end, listed.patience)
    agree("http://10.9.0.1:80", "http://10.9.0.2:80", "http://10.9.0.3:80")
    c:set { mode = "empty" }
    listed.wait(n, { n.url })
  end)

  it("is told of a token, which no log and no statistics show", function()
    local n = start "&token=sesame"
    agree()
    c:set { mode = "fail" }
    eventually(function() return listed.source(n).errors > 0 end, listed.patience)
    assert.is_nil(n:log():find("sesame", 1, true))
    assert.is_nil(n:request({ target = "/stats" }).body:find("sesame", 1, true))
  end)
end)
