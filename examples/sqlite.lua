-- SPDX-License-Identifier: MIT
-- sqlite.lua: rows of a SQLite file that another program writes, through LuaSQL (lua-sql-sqlite3).
-- To try it:
--   sqlite3 pages.db "CREATE TABLE pages (name TEXT PRIMARY KEY, body)"
--   sqlite3 pages.db "INSERT INTO pages VALUES ('index', 'hello')"
--   DATABASE=pages.db build/bin/groupcached examples/sqlite.lua
--   curl -i http://127.0.0.1:8080/cache/pages/index
-- While another program locks the file, for more than half a second:
--   502 {"error":"LuaSQL: database is locked","code":"GETTER"}

local groupcache = require "groupcache"
local env = require("luasql.sqlite3").sqlite3()

local PATH = os.getenv("DATABASE") or "pages.db"
local WAIT_MS = 500 -- for a lock; blocks the VM

groupcache.group("pages", {
  ttl = 60,
  getter = function(key)
    if key:find("%z") then return nil end           -- or escape() ends the name there
    -- Opened for each load, which is cheap: a replaced file (mv new.db pages.db) is read at once.
    -- True means read only: a missing file is an error, and no new file is made.
    local db, err = env:connect(PATH, WAIT_MS, true)
    if not db then return nil, err end
    local query = ("SELECT body FROM pages WHERE name = '%s'"):format(db:escape(key))
    local cursor, body
    cursor, err = db:execute(query)
    if cursor then
      body, err = cursor:fetch()
      cursor:close()
    end
    db:close()
    return body and tostring(body), err             -- an INTEGER is a number
  end,
})
