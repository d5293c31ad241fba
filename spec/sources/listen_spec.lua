-- SPDX-License-Identifier: MIT

-- examples/listen.lua: a cluster of three follows the changes of a real server, which goes away and
-- comes back.

local eventually = require "support.eventually"
local node = require "support.node"
local postgres = require "sources.postgres"
local rig = require "node.rig"

local EXAMPLE = "examples/listen.lua"
local NAMES = { "a", "b", "c", "d" }

describe("examples/listen.lua", function()
  local server, nodes

  setup(function()
    if not postgres.missing then
      server = postgres.start()
      server:query "CREATE TABLE pages (name text PRIMARY KEY, body text)"
    end
  end)

  teardown(function()
    if server then
      assert.equal(0, server:stop())
    end
  end)

  after_each(function()
    rig.stop_all(nodes)
    nodes = nil
  end)

  local function listens(n)
    return n:stats().control.background.listen
  end

  local function start()
    nodes = node.cluster(3, { script = EXAMPLE, args = { "--workers", "2" },
      env = { DATABASE = server.address } })
    eventually(function()
      return #server:query [[SELECT 1 FROM pg_stat_activity
        WHERE query LIKE 'LISTEN%' AND state = 'idle']] == 3
    end, 20, "all listen")
  end

  local function change(name, body)
    server:query(("INSERT INTO pages VALUES ('%s', '%s') ON CONFLICT (name) DO UPDATE "
      .. "SET body = EXCLUDED.body"):format(name, body))
  end

  local function all_give(name, body)
    for _, n in ipairs(nodes) do
      local res = assert(n:get("pages", name, { timeout = 20 }))
      if res.status ~= 200 or res.body ~= body then
        return false
      end
    end
    return true
  end

  local function notify(name)
    server:query(("NOTIFY pages, '%s'"):format(name))
  end

  -- Whether nodes that have an old value give it while the server has the new one. They do not if
  -- a node flushes late: each does once it listens, and tells it again while the list is new.
  local function keep_old(name)
    change(name, "old")
    notify(name)
    eventually(function() return all_give(name, "old") end, 20, "they have loaded " .. name)
    change(name, "new")
    return all_give(name, "old")
  end

  local only_with_server = require "sources.with"(postgres, it, function(why) pending(why) end)

  only_with_server("has every node give the new value after a NOTIFY", function()
    start()
    for _, name in ipairs(NAMES) do
      eventually(function() return keep_old(name) end, 30, "their flushes of the start are over")
      notify(name)
      eventually(function() return all_give(name, "new") end, 20, "they have the new " .. name)
    end
    for _, n in ipairs(nodes) do
      local f = listens(n)
      assert.same({ 1, 0, true }, { f.runs, f.errors, f.running })
    end
  end)

  only_with_server("listens again when the server is back, and has missed nothing", function()
    change("a", "old")
    start()
    eventually(function() return all_give("a", "old") end, 20, "they have loaded it")
    server:stop()
    eventually(function()
      return listens(nodes[1]).errors > 0 and listens(nodes[2]).errors > 0
        and listens(nodes[3]).errors > 0
    end, 20, "they notice")
    assert.matches("server closed the connection unexpectedly", listens(nodes[1]).last_error, 1,
      true)
    server:start()
    change("a", "new")
    eventually(function() return all_give("a", "new") end, 30, "they have the new value")
  end)
end)
