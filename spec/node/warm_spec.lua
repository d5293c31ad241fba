-- SPDX-License-Identifier: MIT

-- What a change of the list costs the source: a node that joins asks the former owners of its keys
-- for what they hold, and a node that leaves hands over what it holds. Gets are drawn by Zipf's law
-- from a seed; SEED=n repeats one.

local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

local KEYS, GETS, CLIENTS = 1500, 9000, 8

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { hot = "never", ttl = 600, ttl_jitter = 0, writable = true,
  getter = function(key)
    rig.record(key)
    return key .. " of n" .. os.getenv "NODE"
  end })
return { workers = 1, http_threads = 1, peers = dofile(rig.dir .. "/peers-" .. os.getenv "NODE") }
]]

-- Draws the number of a key, each in proportion to 1 / number.
local function zipf()
  local sums, sum = {}, 0
  for k = 1, KEYS do
    sum = sum + 1 / k
    sums[k] = sum
  end
  return function()
    local at, low, high = math.random() * sum, 1, KEYS
    while low < high do
      local middle = math.floor((low + high) / 2)
      if sums[middle] < at then low = middle + 1 else high = middle end
    end
    return ("key-%d.of.the.ring"):format(low)
  end
end

describe("a list that changes under load", function()
  local r, nodes, urls, at, draw

  local function set_list(i, members)
    r:file("peers-" .. i, rig.list_text(urls, members))
  end

  local function start(i, members)
    set_list(i, members)
    nodes[i] = node.start { port = at[i], self = urls[i], script = r:script(SCRIPT),
      env = { NODE = tostring(i) } }
  end

  local function reload(i, members)
    set_list(i, members)
    local _, before = nodes[i]:log():gsub("msg=\"?reloaded", "")
    nodes[i]:signal "SIGHUP"
    rig.wait(nodes[i], function()
      local _, now = nodes[i]:log():gsub("msg=\"?reloaded", "")
      return now > before
    end, 10)
  end

  -- Gets at these nodes; returns the keys that were asked for.
  local function load(members)
    local asked, tasks = {}, {}
    for c = 1, CLIENTS do
      tasks[c] = function()
        for _ = 1, GETS / CLIENTS do
          local key = draw()
          local res = assert(nodes[members[math.random(#members)]]:get("g", key))
          assert(res.status == 200 and res.body:find(key, 1, true) == 1, res.body)
          asked[key] = true
        end
      end
    end
    http.together(tasks)
    return asked
  end

  before_each(function()
    local seed = tonumber(os.getenv "SEED") or os.time()
    math.randomseed(seed)
    print("seed " .. seed)
    draw = zipf()
    r, nodes, urls, at = rig.new(), {}, {}, {}
    for i = 1, 5 do
      at[i] = ports.free()
      urls[i] = "http://127.0.0.1:" .. at[i]
    end
  end)

  after_each(function() rig.stop_all(nodes) end)

  -- Keys that have another owner in the second list, those that were asked for before and after.
  local function moved(before, after, asked_before, asked_after)
    local function list(members)
      local all = {}
      for k, m in ipairs(members) do all[k] = urls[m] end
      return all
    end
    local n, new = 0, 0
    for key in pairs(asked_after) do
      if not asked_before[key] then
        new = new + 1
      elseif rig.owner(list(before), key) ~= rig.owner(list(after), key) then
        n = n + 1
      end
    end
    return n, new
  end

  it("costs few loads when a node joins", function()
    for i = 1, 4 do start(i, { 1, 2, 3, 4 }) end
    local before = load { 1, 2, 3, 4 }
    local calls = r:total()
    start(5, { 1, 2, 3, 4, 5 })
    for i = 1, 4 do reload(i, { 1, 2, 3, 4, 5 }) end
    local after = load { 1, 2, 3, 4, 5 }
    local n, new = moved({ 1, 2, 3, 4 }, { 1, 2, 3, 4, 5 }, before, after)
    local more = r:total() - calls
    print(("join: %d keys moved, %d loads more, %d of keys that nobody had, %d handed over")
      :format(n, more, new, nodes[5]:stats().groups.g.handed))
    assert(n > 20, n)
    assert(more <= 1.1 * new, ("%d, %d, of %d"):format(more, new, n))
  end)

  it("costs few loads when a node leaves", function()
    for i = 1, 5 do start(i, { 1, 2, 3, 4, 5 }) end
    local before = load { 1, 2, 3, 4, 5 }
    local calls = r:total()
    for i = 1, 4 do reload(i, { 1, 2, 3, 4 }) end
    rig.stop(nodes[5])
    assert.truthy(nodes[5]:logged "handed its items to their next owners")
    local after = load { 1, 2, 3, 4 }
    local n, new = moved({ 1, 2, 3, 4, 5 }, { 1, 2, 3, 4 }, before, after)
    local more = r:total() - calls
    print(("leave: %d keys moved, %d loads more, %d of keys that nobody had"):format(n, more, new))
    assert(n > 20, n)
    assert(more - new <= 0.2 * n, ("%d - %d of %d"):format(more, new, n))
  end)

  it("hands over no value that was removed, and the ttl that is left", function()
    for i = 1, 2 do start(i, { 1, 2 }) end
    local key = rig.owned_by({ urls[1], urls[2] }, urls[2], "k")
    local gone = rig.owned_by({ urls[1], urls[2] }, urls[2], "gone")
    for _, k in ipairs { key, gone } do
      assert.equal(k .. " of n2", nodes[1]:get("g", k).body)
    end
    assert.equal(204, nodes[1]:get("g", gone, { method = "DELETE" }).status)
    rig.stop(nodes[2])
    local res = assert(nodes[1]:get("g", key))
    assert.same({ key .. " of n2", "main" }, { res.body, res.headers["x-cache"] })
    local left = tonumber(res.headers["cache-control"]:match "max%-age=(%d+)")
    assert(left > 540 and left <= 600, left)
    assert.equal(gone .. " of n1", nodes[1]:get("g", gone).body)
  end)
end)
