-- SPDX-License-Identifier: MIT

-- examples/postgres.lua before a real server, which goes away and comes back; and what a library
-- that blocks means for the rest of a node.

local eventually = require "support.eventually"
local http = require "support.http"
local many = require "sources.many"
local node = require "support.node"
local postgres = require "sources.postgres"
local rig = require "node.rig"

local EXAMPLE = "examples/postgres.lua"
local WORKERS = 4 -- of the example

-- The table is a view over `stored`, so that a query can be counted and made to wait: for the lock
-- that server:hold() has, when the name begins with "held".
local SCHEMA = {
  "CREATE SEQUENCE asked",
  "CREATE TABLE stored (name text PRIMARY KEY, body text)",
  [[CREATE FUNCTION served(name text, body text) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM nextval('asked');
      IF name LIKE 'held%' THEN PERFORM pg_advisory_xact_lock_shared(7); END IF;
      RETURN body;
    END $$]],
  "CREATE VIEW pages AS SELECT name, served(name, body) AS body FROM stored",
}

local only_with_server = require "sources.with"(postgres, it, function(why) pending(why) end)

describe("examples/postgres.lua", function()
  local server, n

  setup(function()
    if not postgres.missing then
      server = postgres.start()
      for _, sql in ipairs(SCHEMA) do
        server:query(sql)
      end
      local rows = {}
      for _, key in ipairs(many.keys(1000)) do
        rows[#rows + 1] = ("($$%s$$, $$%s$$)"):format(key, many.value(key))
      end
      for _, name in ipairs { "held-1", "held-2", "held-3", "held-4" } do
        rows[#rows + 1] = ("('%s', 'let go')"):format(name)
      end
      server:query("INSERT INTO stored VALUES ('nothing', NULL), " .. table.concat(rows, ", "))
    end
  end)

  teardown(function()
    if server then
      assert.equal(0, server:stop())
    end
  end)

  before_each(function()
    if server then
      server:query "SELECT setval('asked', 1, false)"
    end
  end)

  after_each(function()
    if server then
      server:let_go()
    end
    rig.stop(n)
    n = nil
  end)

  local function start(more, opts)
    local o = { script = EXAMPLE, env = { DATABASE = server.address .. (more or "") } }
    for name, value in pairs(opts or {}) do
      o[name] = value
    end
    n = node.start(o)
  end

  -- How many rows were asked for since the test began.
  local function asked()
    return tonumber(server:query("SELECT nextval('asked')")[1][1]) - 1
  end

  -- The server's processes that serve the node, as a text that can be compared.
  local function connections()
    local rows = server:query [[SELECT pid FROM pg_stat_activity
      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid]]
    for i, row in ipairs(rows) do
      rows[i] = row[1]
    end
    return table.concat(rows, " "), #rows
  end

  -- many.ask() for inside of http.together.
  local function one_by_one(count)
    local answers = {}
    for _, key in ipairs(many.keys(count)) do
      answers[key] = assert(n:get("pages", key))
    end
    return many.right(answers)
  end

  local function held()
    return #server:query "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
  end

  only_with_server("loads a thousand rows, each once, over a connection a VM", function()
    start()
    local keys = many.keys(1000)
    assert.same({ ["local"] = 1000 }, many.right(many.ask(n, "pages", keys)))
    assert.same({ main = 1000 }, many.right(many.ask(n, "pages", keys)))
    assert.equal(1000, asked())
    assert.equal(WORKERS, select(2, connections()))
  end)

  only_with_server("takes any key for a name, never for SQL", function()
    start()
    for _, key in ipairs { "", "no such page", "nothing", "' OR true --", "\\", "a\0b", "\255",
      many.keys(1)[1] .. "\0", "'; DROP VIEW pages; --", "\228'", ("x"):rep(4096) } do
      local res = assert(n:get("pages", key))
      assert.equal('404 {"error":"group pages: not found","code":"NOTFOUND"}', many.said(res))
    end
    assert.same({ ["local"] = 1 }, many.right(many.ask(n, "pages", many.keys(1))))
    assert.is_nil(n:logged "level=error")
  end)

  only_with_server("says that the database does not answer while it is restarted", function()
    start()
    local keys = many.keys(1000)
    local answers = many.ask(n, "pages", keys, function(count)
      if count == 300 then
        assert.equal(0, server:stop())
      elseif count == 600 then
        server:start()
      end
    end)
    local failed = many.failed(answers, many.promised(EXAMPLE))
    many.right(answers)
    -- But for what was under way when the server stopped and started.
    assert(#failed >= 290 and #failed <= 310, #failed .. " failed")
    assert.is_truthy(n:logged('level=error mod=script msg="database" why="LuaSQL: error '
      .. 'connecting to database. PostgreSQL: connection to server '))

    assert.same({ ["local"] = #failed }, many.right(many.ask(n, "pages", failed)))
    assert.same({ main = 1000 }, many.right(many.ask(n, "pages", keys)))
    assert.equal(1000, n:stats().groups.pages.local_loads)
  end)

  only_with_server("starts without the server, and finds it once it is there", function()
    assert.equal(0, server:stop())
    start()
    local keys = many.keys(20)
    for _, res in pairs(many.ask(n, "pages", keys)) do
      assert.equal(many.promised(EXAMPLE), many.said(res))
    end
    server:start()
    assert.same({ ["local"] = 20 }, many.right(many.ask(n, "pages", keys)))
  end)

  only_with_server("keeps its connections when a query fails", function()
    start()
    many.right(many.ask(n, "pages", many.keys(100)))
    local before = connections()
    server:query "ALTER VIEW pages RENAME TO hidden"
    local keys = many.keys(100, 101)
    local answers = many.ask(n, "pages", keys)
    server:query "ALTER VIEW hidden RENAME TO pages"
    for _, res in pairs(answers) do
      assert.equal(many.promised(EXAMPLE), many.said(res))
    end
    assert.is_truthy(n:logged 'relation \\x22pages\\x22 does not exist')
    assert.same({ ["local"] = 100 }, many.right(many.ask(n, "pages", keys)))
    assert.equal(before, connections())
  end)

  only_with_server("has the server end a query before the deadline does", function()
    start " options='-c statement_timeout=1000'"
    server:hold()
    local res = assert(n:get("pages", "held-1"))
    server:let_go()
    assert.equal(many.promised(EXAMPLE), many.said(res))
    assert.is_truthy(n:logged "canceling statement due to statement timeout")
    assert.equal("let go", assert(n:get("pages", "held-1")).body)
    assert.equal(0, n:stats().workers.replaced)
  end)

  only_with_server("holds up the VM of a query that waits, and no other", function()
    start " options='-c statement_timeout=0'"
    server:hold()
    local order, fns = {}, {}
    for i = 1, WORKERS - 1 do
      fns[i] = function()
        assert.equal("let go", assert(n:get("pages", "held-" .. i, { timeout = 60 })).body)
        order[#order + 1] = "held"
      end
    end
    fns[WORKERS] = function()
      rig.wait(n, function()
        return held() == WORKERS - 1
      end, 30, "all VMs but one wait")
      assert.same({ ["local"] = 50 }, one_by_one(50))
      order[#order + 1] = "loads"
      assert.same({ main = 50 }, one_by_one(50))
      order[#order + 1] = "hits"
      assert.equal(WORKERS - 1, n:stats().workers.loads)
      server:let_go()
    end
    http.together(fns)
    assert.same({ "loads", "hits", "held", "held", "held" }, order)
    assert.equal(0, n:stats().workers.replaced)
  end)

  only_with_server("answers hits when every VM waits", function()
    start " options='-c statement_timeout=0'"
    many.right(many.ask(n, "pages", many.keys(50)))
    server:hold()
    local order, fns = {}, {}
    for i = 1, WORKERS do
      fns[i] = function()
        assert.equal("let go", assert(n:get("pages", "held-" .. i, { timeout = 60 })).body)
        order[#order + 1] = "held"
      end
    end
    fns[WORKERS + 1] = function()
      rig.wait(n, function()
        return held() == WORKERS
      end, 30, "all VMs wait")
      assert.same({ main = 50 }, one_by_one(50))
      order[#order + 1] = "hits"
      server:let_go()
    end
    http.together(fns)
    assert.same({ "hits", "held", "held", "held", "held" }, order)
  end)

  only_with_server("gives its connections up at a reload", function()
    start()
    many.right(many.ask(n, "pages", many.keys(100)))
    local before = connections()
    n:signal "SIGHUP"
    eventually(function()
      return n:logged 'msg="reloaded'
    end, 30, "the script was read again")
    eventually(function()
      return select(2, connections()) == 0
    end, 30, "the connections of the old VMs are closed")
    assert.same({ main = 100, ["local"] = 100 }, many.right(many.ask(n, "pages", many.keys(200))))
    local after, count = connections()
    assert.equal(WORKERS, count)
    assert.are_not.equal(before, after)
  end)
end)

-- The same without a limit of the server's: the query is there until its VM is given up.
describe("a query that outlasts its load", function()
  local SCRIPT = [[
    local env = require("luasql.postgres").postgres()
    local db
    require("groupcache").group("queries", { timeout = 0.3, getter = function(key)
      db = db or assert(env:connect(os.getenv "DATABASE"))
      return assert(db:execute(key)):fetch()
    end })
  ]]

  only_with_server("ends with its deadline for clients, and its VM is replaced", function()
    local server = postgres.start()
    local n = node.start { script = SCRIPT, env = { DATABASE = server.address },
      args = { "--workers", "1" } }
    server:hold()
    assert.equal("one", assert(n:get("queries", "SELECT 'one'")).body)
    local res = assert(n:get("queries", "SELECT 'locked' || pg_advisory_xact_lock(7)"))
    assert.equal(504, res.status)
    eventually(function()
      return n:stats().workers.replaced == 1
    end, 30, "the VM is replaced")
    assert.equal(1, n:stats().workers.stuck)
    eventually(function()
      return n:get("queries", "SELECT 'two'").body == "two"
    end, 30, "another VM loads")
    server:let_go()
    eventually(function()
      return n:stats().workers.stuck == 0
    end, 30, "the query has returned")
    assert.equal("three", assert(n:get("queries", "SELECT 'three'")).body)
    rig.stop(n)
    server:stop()
  end)
end)
