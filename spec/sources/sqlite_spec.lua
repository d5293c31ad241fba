-- SPDX-License-Identifier: MIT

-- examples/sqlite.lua over a file that is written, locked, missing, broken and replaced meanwhile.

local eventually = require "support.eventually"
local many = require "sources.many"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

local have_luasql, luasql = pcall(require, "luasql.sqlite3")

local EXAMPLE = "examples/sqlite.lua"

local function only_with_library(what, fn)
  it(what, function()
    if not have_luasql then
      pending "no luasql.sqlite3 (lua-sql-sqlite3)"
    end
    fn()
  end)
end

-- Each statement of the list, over one connection, which is returned open.
local function run(path, statements)
  local db = assert(luasql.sqlite3():connect(path, 10000)) -- ms to wait for a reader
  for _, sql in ipairs(statements) do
    assert(db:execute(sql))
  end
  return db
end

local function fill(path, from, count)
  local rows = {}
  for i, key in ipairs(many.keys(count, from)) do
    rows[i] = ("('%s', '%s')"):format(key:gsub("'", "''"), (many.value(key):gsub("'", "''")))
  end
  run(path, { "CREATE TABLE pages (name TEXT PRIMARY KEY, body)",
    "INSERT INTO pages VALUES " .. table.concat(rows, ", ") }):close()
end

describe("examples/sqlite.lua", function()
  local path, n

  before_each(function()
    if have_luasql then
      path = tmp.dir() .. "/pages.db"
      fill(path, 1, 1000)
      n = node.start { script = EXAMPLE, env = { DATABASE = path } }
    end
  end)

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  local function all_say(status_and_body, answers)
    for _, res in pairs(answers) do
      assert.equal(status_and_body, many.said(res))
    end
  end

  only_with_library("loads a thousand rows, each once", function()
    local keys = many.keys(1000)
    assert.same({ ["local"] = 1000 }, many.right(many.ask(n, "pages", keys)))
    assert.same({ main = 1000 }, many.right(many.ask(n, "pages", keys)))
    assert.equal(1000, n:stats().groups.pages.local_loads)
  end)

  only_with_library("takes any key for a name, never for SQL", function()
    for _, key in ipairs { "", "no such page", "' OR 1 --", "\\", "a\0b", "\255",
      many.keys(1)[1] .. "\0", "'; DROP TABLE pages; --", ("x"):rep(4096) } do
      local res = assert(n:get("pages", key))
      assert.equal('404 {"error":"group pages: not found","code":"NOTFOUND"}', many.said(res))
    end
    assert.same({ ["local"] = 1 }, many.right(many.ask(n, "pages", many.keys(1))))
  end)

  only_with_library("gives bytes, numbers and nothing as they are stored", function()
    run(path, { "INSERT INTO pages VALUES ('blob', x'00ff0a00'), ('number', 42), ('none', NULL), "
      .. "('empty', '')" }):close()
    assert.equal("\0\255\n\0", assert(n:get("pages", "blob")).body)
    assert.equal("42", assert(n:get("pages", "number")).body)
    assert.equal(404, assert(n:get("pages", "none")).status)
    local res = assert(n:get("pages", "empty"))
    assert.same({ 200, "" }, { res.status, res.body })
  end)

  -- The writer has the file for itself in the middle of a thousand loads.
  only_with_library("says that the database is locked while it is", function()
    local keys, writer = many.keys(1000), nil
    local answers = many.ask(n, "pages", keys, function(count)
      if count == 300 then
        writer = run(path, { "BEGIN EXCLUSIVE" })
      elseif count == 310 then
        assert(writer:execute "COMMIT")
        writer:close()
      end
    end)
    local failed = many.failed(answers, many.promised(EXAMPLE))
    many.right(answers)
    assert(#failed > 0, "none failed")
    assert.same({ ["local"] = #failed }, many.right(many.ask(n, "pages", failed)))
    assert.same({ main = 1000 }, many.right(many.ask(n, "pages", keys)))
  end)

  only_with_library("sees the file go, come back and be another", function()
    many.right(many.ask(n, "pages", many.keys(10)))
    assert(os.rename(path, path .. ".away"))
    all_say('502 {"error":"LuaSQL: unable to open database file","code":"GETTER"}',
      many.ask(n, "pages", many.keys(10, 11)))
    assert.is_nil(io.open(path)) -- nor has the node made one
    tmp.write(path, ("no database\n"):rep(1000))
    all_say('502 {"error":"LuaSQL: file is not a database","code":"GETTER"}',
      many.ask(n, "pages", many.keys(10, 11)))
    run(path .. ".empty", { "CREATE TABLE other (x)" }):close()
    assert(os.rename(path .. ".empty", path))
    all_say('502 {"error":"LuaSQL: no such table: pages","code":"GETTER"}',
      many.ask(n, "pages", many.keys(10, 11)))
    fill(path .. ".new", 11, 1000)
    assert(os.rename(path .. ".new", path))
    assert.same({ ["local"] = 1000, main = 10 },
      many.right(many.ask(n, "pages", many.keys(1010))))
  end)

  only_with_library("leaves no file open", function()
    many.right(many.ask(n, "pages", many.keys(100)))
    local lfs = require "lfs"
    local fds = ("/proc/%d/fd/"):format(n.process.pid)
    local function open_files()
      local count = 0
      for name in lfs.dir(fds) do
        local target = lfs.symlinkattributes(fds .. name, "target")
        count = count + (target and target:find(path, 1, true) and 1 or 0)
      end
      return count
    end
    eventually(function()
      return open_files() == 0
    end, 5, "the database is closed")
  end)
end)
