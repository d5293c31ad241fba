-- SPDX-License-Identifier: MIT
-- postgres.lua: rows of a PostgreSQL table, through LuaSQL (lua-sql-postgres). LuaSQL blocks: a
-- query holds its VM. So there are no more loads than VMs, and the server ends slow queries.
--   psql -c "CREATE TABLE pages AS SELECT 'index' AS name, 'hello' AS body"
--   DATABASE="dbname=postgres user=me" build/bin/groupcached examples/postgres.lua
--   curl -i http://127.0.0.1:8080/cache/pages/index
-- Without the server: 502 {"error":"the database does not answer","code":"GETTER"}; see the log

local groupcache = require "groupcache"
local env = require("luasql.postgres").postgres()

local WORKERS = 4
local SERVER = "connect_timeout=2 options='-c statement_timeout=2000' "
local db -- this VM's connection, once there is one

local function ask(name)
  local fresh, err = not db
  if fresh then db, err = env:connect(SERVER .. (os.getenv("DATABASE") or "")) end
  local quoted = db and not name:find("%z") and db:escape(name)
  if not quoted then return nil, err end              -- no server; or not a text, so no such row
  local cursor, why = db:execute("SELECT body FROM pages WHERE name = '" .. quoted .. "'")
  if cursor then
    local body = cursor:fetch()
    cursor:close()
    return body
  end
  if db:execute("SELECT 1") then return nil, why end  -- the query failed, not the connection
  db:close()
  db = nil                                            -- lost, such as by a restart of the server
  if fresh then return nil, why end
  return ask(name)
end

groupcache.group("pages", { ttl = 60, max_loads = WORKERS, getter = function(key)
  local body, err = ask(key)
  if err then groupcache.log("error", "database", { why = err }) end
  return body, err and "the database does not answer"
end })

return { workers = WORKERS }
