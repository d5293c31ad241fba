-- SPDX-License-Identifier: MIT
-- listen.lua: PostgreSQL tells what has changed. A background function LISTENs, through libpq and
-- LuaJIT's FFI, and removes the keys that NOTIFY names from all nodes. So values need no ttl.
--   psql -c "CREATE TABLE pages AS SELECT 'index' AS name, 'hello' AS body"
--   DATABASE="dbname=postgres user=me" build/bin/groupcached examples/listen.lua
--   curl -i http://127.0.0.1:8080/cache/pages/index
--   psql -c "UPDATE pages SET body = 'bye' WHERE name = 'index'" -c "NOTIFY pages, 'index'"
-- Without the server: the log says so, again and again; /stats has it at control.background.listen

local ffi = require "ffi"
local groupcache = require "groupcache"
local env = require("luasql.postgres").postgres()

ffi.cdef [[
  typedef struct { char *channel; int pid; char *payload; } PGnotify;
  void *PQconnectdb(const char *);
  void *PQexec(void *, const char *);
  int PQresultStatus(const void *);
  char *PQerrorMessage(const void *);
  int PQconsumeInput(void *);
  PGnotify *PQnotifies(void *);
  void PQclear(void *), PQfreemem(void *), PQfinish(void *);
]]
local pq = ffi.load "libpq.so.5"
local DATABASE = "connect_timeout=2 " .. (os.getenv "DATABASE" or "")
local COMMAND_OK = 1 -- PGRES_COMMAND_OK

local pages = groupcache.group("pages", { max_loads = 2, getter = function(key)
  local db = assert(env:connect(DATABASE)) -- examples/postgres.lua keeps its connection
  local row = db:execute("SELECT body FROM pages WHERE name = '" .. db:escape(key) .. "'")
  local body = row and row:fetch()
  if row then row:close() end
  db:close()
  return body
end })

local function check(conn, fine)
  if not fine then error(ffi.string(pq.PQerrorMessage(conn)), 0) end -- begins anew after a pause
end

groupcache.background(function()
  local conn = ffi.gc(pq.PQconnectdb(DATABASE), pq.PQfinish) -- blocks this VM, and no getter
  local result = ffi.gc(pq.PQexec(conn, "LISTEN pages"), pq.PQclear)
  check(conn, pq.PQresultStatus(result) == COMMAND_OK)
  pages:flush() -- nobody knows what has changed while nobody listened
  while true do
    check(conn, pq.PQconsumeInput(conn) == 1) -- does not block
    local notify = pq.PQnotifies(conn)
    if notify == nil then
      groupcache.sleep(0.05)
    else
      pages:remove(ffi.string(notify.payload)) -- a node that does not confirm is told again
      pq.PQfreemem(notify)
    end
  end
end, { name = "listen" })
