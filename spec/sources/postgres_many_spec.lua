-- SPDX-License-Identifier: MIT

-- examples/postgres_many.lua before a real server: many rows a query.

local cjson = require "cjson"
local many = require "sources.many"
local node = require "support.node"
local postgres = require "sources.postgres"
local rig = require "node.rig"

-- Each query of the view counts once, whatever rows it wants.
local SCHEMA = {
  "CREATE SEQUENCE queries",
  "CREATE TABLE stored (name text PRIMARY KEY, body text)",
  [[CREATE FUNCTION all_of_it() RETURNS SETOF stored LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM nextval('queries');
      RETURN QUERY SELECT * FROM stored;
    END $$]],
  "CREATE VIEW pages AS SELECT * FROM all_of_it()",
}

local only_with_server = require "sources.with"(postgres, it, function(why) pending(why) end)

describe("examples/postgres_many.lua", function()
  local server, n

  setup(function()
    if postgres.missing then
      return
    end
    server = postgres.start()
    for _, sql in ipairs(SCHEMA) do
      server:query(sql)
    end
    local rows = {}
    for _, key in ipairs(many.keys(1000)) do
      rows[#rows + 1] = ("($$%s$$, $$%s$$)"):format(key, many.value(key))
    end
    server:query("INSERT INTO stored VALUES " .. table.concat(rows, ", "))
  end)

  teardown(function()
    if server then
      assert.equal(0, server:stop())
    end
  end)

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  only_with_server("gives each key its row, with fewer queries than keys", function()
    n = node.start { script = "examples/postgres_many.lua", args = { "--workers", 1 },
      env = { DATABASE = server.address } }
    server:query "SELECT setval('queries', 1, false)"
    assert.same({ ["local"] = 1000 }, many.right(many.ask(n, "pages", many.keys(1000))))
    local queries = tonumber(server:query("SELECT last_value FROM queries")[1][1])
    assert.is_true(queries <= 700, queries) -- eight clients, one worker: mostly four or more
    assert.equal(404, assert(n:get("pages", "no such page")).status)
    assert.equal(404, assert(n:get("pages", "no\0text")).status)
  end)

  only_with_server("gets a list of keys in one query, with any number of workers", function()
    n = node.start { script = "examples/postgres_many.lua", args = { "--workers", 4 },
      env = { DATABASE = server.address } }
    server:query "SELECT setval('queries', 1, false)"
    local keys = {}
    for i = 1, 100 do
      keys[i] = many.keys(1000)[i]
    end
    local res = assert(n:request { method = "POST", target = "/cache/pages",
      headers = { ["Content-Type"] = "application/json" }, body = cjson.encode(keys) })
    assert.equal(100, select(2, res.body:gsub('"value":', "")))
    assert.equal(1, tonumber(server:query("SELECT last_value FROM queries")[1][1]))
  end)

  only_with_server("says so when the server does not answer", function()
    n = node.start { script = "examples/postgres_many.lua", args = { "--workers", 1 },
      env = { DATABASE = "host=127.0.0.1 port=1" } }
    assert.equal(many.promised("examples/postgres_many.lua"),
      many.said(assert(n:get("pages", "index"))))
  end)
end)
