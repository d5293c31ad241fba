-- SPDX-License-Identifier: MIT
-- postgres_many.lua: rows of a PostgreSQL table, many a query, through LuaSQL (lua-sql-postgres).
-- While a query runs, further loads wait, and come together in the next one.
--   psql -c "CREATE TABLE pages AS SELECT 'index' AS name, 'hello' AS body"
--   DATABASE="dbname=postgres user=me" build/bin/groupcached examples/postgres_many.lua
--   curl -i http://127.0.0.1:8080/cache/pages/index
-- Without the server: 502 {"error":"the database does not answer","code":"GETTER"}; see the log

local groupcache = require "groupcache"
local env = require("luasql.postgres").postgres()

local SERVER = "connect_timeout=2 options='-c statement_timeout=2000' "
local db -- this VM's connection, once there is one

local function query(names)
  local list = {}
  for _, name in ipairs(names) do
    if not name:find("%z") then -- else it is not a text, so there is no such row
      list[#list + 1] = "'" .. db:escape(name) .. "'"
    end
  end
  return db:execute("SELECT name, body FROM pages WHERE name = ANY (ARRAY["
    .. table.concat(list, ",") .. "]::text[])")
end

local function ask(names)
  local fresh, err = not db
  if fresh then db, err = env:connect(SERVER .. (os.getenv("DATABASE") or "")) end
  if not db then return nil, err end
  local cursor, why = query(names)
  if cursor then
    local bodies = {}
    for name, body in function() return cursor:fetch() end do
      bodies[name] = body
    end
    cursor:close()
    return bodies
  end
  if db:execute("SELECT 1") then return nil, why end  -- the query failed, not the connection
  db:close()
  db = nil                                            -- lost, such as by a restart of the server
  if fresh then return nil, why end
  return ask(names)
end

groupcache.group("pages", { ttl = 60, max_keys = 200, getter_many = function(keys)
  local bodies, err = ask(keys)
  if err then groupcache.log("error", "database", { why = err }) end
  return bodies, err and "the database does not answer"
end })
