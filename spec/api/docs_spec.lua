-- SPDX-License-Identifier: MIT

-- docs/api.md, docs/getters.md and lua/groupcache/_meta.lua against the sources: what is public is
-- described in each, what is described is there, and the tables say what the code does. The Lua of
-- the other pages runs.

local ffi = require "ffi"
local lfs = require "lfs"
local process = require "support.process"
local program = require "api.program"
local tmp = require "support.tmp"

local C = require("support.unit").load("wire/dialect.h", "base/hash.h")

local api = tmp.read "docs/api.md"
local readme = tmp.read "README.md"
local guide = tmp.read "docs/getters.md"
local meta = tmp.read "lua/groupcache/_meta.lua"

-- Lua sources say `require "groupcache.core"`: a stub is enough to load them, and to come by one of
-- each kind of object that they make.
local function load_modules()
  local in_node = false
  local raw_node = {
    address = function() return "127.0.0.1:1", "127.0.0.1:1", false,
      "http://127.0.0.1:1" end,
    handle = function() return "handle" end,
  }
  local stub = {
    version = "0",
    define = function() return true end,
    forget = function() end,
    group_alone = function() return "handle" end,
    handle_address = function() return nil end,
    in_node = function() return in_node end,
    limits = function() return 1, 1024 end,
    check_can_wait = function() end,
    on_stray = function() end,
    strand = function(fn) return "strand", coroutine.create(fn) end,
    run = function() end,
    getter = function() return function() end end,
    node = function() return raw_node end,
    now = function() return 0 end,
    recall = function() return nil, 1024 end,
    ring_hashes = function() return { "crc32" } end,
    script = function()
      return { ask = function() return {} end, settings = function() return {} end,
        groups = function() return { { cache_bytes = 0 } } end, jit_refusal = function() end,
        close = function() end }
    end,
    set_log = function() end,
    check_log_levels = function() return true end,
    log = function() end,
    folder_of = function() end,
    variables = function() return {} end,
  }
  local kept = {}
  for name in lfs.dir "lua/groupcache" do
    local module = name:match "^([%w_]+)%.lua$"
    module = module and (module == "init" and "groupcache" or "groupcache." .. module)
    if module then
      kept[module] = package.loaded[module] or false
      package.loaded[module] = nil
    end
  end
  kept["groupcache.core"] = package.loaded["groupcache.core"] or false
  package.loaded["groupcache.core"] = stub
  package.loaded["groupcache.guard"] = { resumers = {}, depth = {}, max_nested = 1 }
  local groupcache = require "groupcache"
  local node = assert(groupcache.start { script = "any.lua", listen = "127.0.0.1:1" })
  in_node = true
  local objects = {
    node = { node },
    group = { groupcache.group("any", { getter = function() end }), node:group "any" },
    task = { coroutine.wrap(function() return groupcache.spawn(function() end) end)() },
  }
  in_node = false
  table.insert(objects.group, groupcache.group("any", { getter = function() end }))
  local modules = {
    groupcache = groupcache,
    http = require "groupcache.http",
    config = require "groupcache.config",
    schema = require "groupcache.schema",
  }
  for name, module in pairs(kept) do
    package.loaded[name] = module or nil
  end
  return modules, objects
end

local modules, objects = load_modules()

local function keys(t, keep)
  local list = {}
  for name, value in pairs(t) do
    if not keep or keep(name, value) then
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

local function is_function(_, value)
  return type(value) == "function"
end

local function is_method(name, value)
  return type(value) == "function" and name:sub(1, 2) ~= "__"
end

-- Every match of a pattern with one capture.
local function all(text, pattern)
  local set = {}
  for name in text:gmatch(pattern) do
    set[name] = true
  end
  return keys(set)
end

-- The macro X-list of that name, up to the first line that does not go on.
local function macro(path, name)
  local text = tmp.read(path)
  local from = assert(text:find("#define " .. name .. "%("), path .. " has no " .. name)
  local lines = {}
  for line in text:sub(from):gmatch "[^\n]*" do
    lines[#lines + 1] = line
    if line ~= "" and line:sub(-1) ~= "\\" then
      break
    end
  end
  return table.concat(lines, "\n")
end

-- The text of a chapter (of api.md): from its heading to the next of the same or a higher level.
local function chapter(heading, page)
  local level = #heading:match "^#+"
  page = page or api
  local from, to = ("\n" .. page):find("\n" .. heading .. "\n", 1, true)
  assert(from, "there is no chapter " .. heading)
  local rest = page:sub(to)
  for i = 1, level do
    local next_one = rest:find("\n" .. ("#"):rep(i) .. " ")
    rest = next_one and rest:sub(1, next_one) or rest
  end
  return rest
end

-- The tables of a text as { { cell, ... }, ... }, without their headings.
local function rows(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    if line:find "^|%-" then
      table.remove(list) -- what came before it was the heading
    elseif line:find "^|" then
      local cells = {}
      for cell in line:sub(2):gmatch "([^|]*)|" do
        cells[#cells + 1] = cell:match "^%s*(.-)%s*$"
      end
      list[#list + 1] = cells
    end
  end
  return list
end

-- First cells such as "`main`, `hot`" -> every name in them.
local function named(list)
  local set = {}
  for _, cells in ipairs(list) do
    for name in cells[1]:gmatch "`([^`]+)`" do
      set[name] = true
    end
  end
  return keys(set)
end

-- The names of a class's fields in _meta.lua.
local function fields(class)
  local at = meta:find("---@class " .. class .. "[\n:]")
  assert(at, "_meta.lua has no class " .. class)
  local set = {}
  for line in meta:sub(at):match "\n(.*)":gmatch "[^\n]+" do
    local name = line:match "^%-%-%-@field ([%w_]+)"
    if not name then
      break
    end
    set[name] = true
  end
  return keys(set)
end

-- "`name`" -> name
local function bare(cell)
  return cell:match "`(.-)`"
end

local function show(value)
  return type(value) == "string" and ('"%s"'):format(value) or tostring(value)
end

-- What the tables of options say of those that have a unit.
local UNITS = { duration = "seconds", size = "size" }

local FUNCTIONS = {}
for _, name in ipairs(keys(modules.groupcache, is_function)) do
  FUNCTIONS["groupcache." .. name] = "groupcache." .. name
end
for _, name in ipairs(keys(modules.http, is_function)) do
  FUNCTIONS["http." .. name] = "http." .. name
end
for class, list in pairs(objects) do
  for _, object in ipairs(list) do
    for _, name in ipairs(keys(getmetatable(object).__index, is_method)) do
      FUNCTIONS[class .. ":" .. name] = class:gsub("^%l", string.upper) .. ":" .. name
    end
  end
end

-- What a program may read of a node.
local node_fields = keys(objects.node[1], function(name)
  return name ~= "raw" and name ~= "started"
end)

local request_fields = all(tmp.read("lua/groupcache/http.lua"):match "local FIELDS = (%b{})",
  "([%w_]+) =")
local codes = all(tmp.read("src/base/err.h"):match "enum err (%b{})", "ERR_(%u+)[ ,]")
for i = #codes, 1, -1 do
  if codes[i] == "OK" or codes[i] == "COUNT" then
    table.remove(codes, i)
  end
end

local statuses = tmp.read("src/http/answer.c"):match "client_status%b[] = (%b{})"

local function client_status(name)
  return statuses:match("%[ERR_" .. name .. "%] = (%d+)")
end

-- Writes the Lua blocks of a page into a folder, each under the name in its first line; one
-- without a name is node.lua.
local function blocks_of(page)
  local dir, names = tmp.dir(), {}
  for block in page:gmatch "\n```lua\n(.-)```" do
    local name = block:match "^%-%- ([%w_/]+%.lua)\n" or "node.lua"
    assert(not lfs.attributes(dir .. "/" .. name), name .. " is there twice")
    names[#names + 1] = name
    tmp.write(dir .. "/" .. name, block)
  end
  return dir, names
end

local build = os.getenv "BUILD" or "build"
build = build:sub(1, 1) == "/" and build or lfs.currentdir() .. "/" .. build

local function check_script(path)
  local r = process.run { build .. "/bin/groupcached", "check", path }
  assert.equal(0, r.code, r.stderr)
end

-- Runs a program in its folder, with luajit. -> what it wrote
local function run_program(dir, name)
  local r = process.run { "luajit", name, cwd = dir, timeout = 60,
    env = program.env { GROUPCACHE_LISTEN = "127.0.0.1:0" } }
  assert.equal(0, r.code, r.stderr)
  return r.stdout
end

describe("docs/api.md", function()
  it("has a chapter with a syntax line for every public function, and no other", function()
    for name in pairs(FUNCTIONS) do
      assert.truthy(chapter("### " .. name):find("**syntax:** *", 1, true), name)
    end
    assert.same(keys(FUNCTIONS), all(chapter "## Lua API", "\n### ([^\n]+)"))
  end)

  it("says of every public function what it returns, and how it fails", function()
    for name in pairs(FUNCTIONS) do
      local text = chapter("### " .. name):gsub("%s+", " ")
      assert.truthy(text:find "%*%*syntax:%*%* %*[%l, .]+ = " or text:find "[Rr]eturns nothing",
        name .. " returns what?")
      assert.truthy(text:find "Failure: `nil, message, " or text:find "[Rr]aises"
        or text:find "[Nn]ever fails", name .. " fails how?")
    end
  end)

  it("has the fields of a node", function()
    assert.same(node_fields, named(rows(chapter "### groupcache.start")))
  end)

  it("has the options of a group", function()
    local list = rows(chapter "## Group options")
    assert.same(keys(modules.schema), named(list))
    for _, cells in ipairs(list) do
      local rule = modules.schema[bare(cells[1])]
      if rule.required then
        assert.equal("required", cells[3])
      elseif rule.default ~= nil and type(rule.default) ~= "table" then
        assert.equal("`" .. show(rule.default) .. "`", cells[3], "default of " .. cells[1])
      end
      assert.equal(UNITS[rule.kind] or cells[2], cells[2], "unit of " .. cells[1])
    end
  end)

  it("has the settings", function()
    local list = rows(chapter "## Settings")
    assert.same(keys(modules.config.SETTINGS), named(list))
    for _, cells in ipairs(list) do
      local rule = modules.config.SETTINGS[bare(cells[1])]
      local default = rule.default
      assert.equal(UNITS[rule.kind] or cells[2], cells[2], "unit of " .. cells[1])
      if default ~= nil and type(default) ~= "table" then
        assert.equal("`" .. show(default) .. "`", cells[3], "default of " .. cells[1])
      end
    end
  end)

  it("has the fields of a request and of ctx", function()
    assert.same(request_fields, named(rows(chapter "### http.request")))
    local source = tmp.read("src/script/getter.c"):gsub('"value"%);', ""):gsub('"age"%);', "")
    local ctx = all(source, 'lua_setfield%(L, %-[23], "([%w_]+)"%)')
    local described = {} -- ctx.old's fields are in its row
    for _, cells in ipairs(rows(chapter "## Getter")) do
      if #cells == 3 and (cells[2]:match "^string" or cells[2] == "boolean" or cells[2] == "number"
        or cells[2]:match "^table") then
        described[bare(cells[1])] = true
      end
    end
    assert.same(ctx, keys(described))
  end)

  it("has the error codes, with the statuses that the code gives", function()
    local list = rows(chapter "## Errors")
    assert.same(codes, named(list))
    for _, cells in ipairs(list) do
      local name = bare(cells[1])
      assert.equal(client_status(name), cells[3], name .. " to clients")
      for d = 0, tonumber(C.DIALECT_COUNT) - 1 do
        assert.equal(tostring(C.dialect_status(d, C["ERR_" .. name])),
          cells[d == tonumber(C.DIALECT_GOLANG) and 4 or 5], name .. " to peers")
      end
    end
  end)

  it("has the dialects, with their hashes", function()
    local names, hashes = {}, {}
    for name in chapter("### Dialects"):match("\n| |([^\n]+)"):gmatch "`([%w-]+)`" do
      names[#names + 1] = name
    end
    assert.same(modules.config.SETTINGS.dialect.values, names)
    for _, cells in ipairs(rows(chapter "### Dialects")) do
      if cells[1] == "`hash`" then
        hashes = cells
      end
    end
    for i, name in ipairs(names) do
      local facts = C.dialect_facts(C.dialect_from_name(name))
      local list = hashes[i + 1]:gsub("as `mailgun`", hashes[3])
      local wanted, bits = ffi.string(C.hash_kind_name(facts.hash)), 0
      assert.equal(wanted, list:match "^`([%w-]+)`", "the default comes first")
      for hash in list:gmatch "`([%w-]+)`" do
        bits = bits + 2 ^ C.hash_kind_from_name(hash)
      end
      assert.equal(facts.hashes, bits, name)
    end
  end)

  it("has the counters and all else in /stats", function()
    local wanted, put = {}, tmp.read "src/node/node_stats.c"
    local figures = tmp.read "src/node/figures.c":gsub("#define.-[^\\]\n", "")
    for file, list in pairs { ["src/cache/stats.h"] = "STATS_COUNTERS",
      ["src/http/tally.h"] = "TALLY_COUNTERS" } do
      for _, name in ipairs(all(macro(file, list), "X%(([%w_]+), ")) do
        wanted[name] = true
      end
    end
    for _, pattern in ipairs { 'json_out_%l+%(&?%w+, "([%w_]+)"',
      'put_object%(&%w+, "([%w_]+)"' } do
      for _, name in ipairs(all(put, pattern)) do
        wanted[name] = true
      end
    end
    local status = tmp.read("lua/groupcache/discover/keeper.lua")
      :match "function Kept:status%b()(.-)\nend"
    for name in status:gmatch "([%w_]+) = " do
      wanted[name] = true
    end
    for _, name in ipairs(all(figures, "    %u+%([%u_, ]*[%l_]*stats, ([%w_]+)")) do
      if name ~= "name" then -- of a macro
        wanted[name] = true
      end
    end
    local text, bad = chapter "## Statistics", {}
    for name in pairs(wanted) do
      if not text:find("`" .. name .. "`", 1, true) then
        bad[#bad + 1] = name
      end
    end
    assert.same({}, bad)
    for _, name in ipairs(named(rows(text))) do
      assert.truthy(wanted[name], name .. " is described and not there")
    end
  end)

  it("has the words that X-Cache may say", function()
    local names = tmp.read("src/cache/source.c"):match "SOURCE_COUNT%] = (%b{})"
    local text = chapter "### For clients: /cache/GROUP/KEY"
    local described = text:match "| `X%-Cache` | the value came from |\n[^\n]*\n(.-)\n\n"
    for name in names:gmatch '"(%l+)"' do
      assert.truthy(described:find("| `" .. name .. "` |", 1, true), name)
    end
  end)
end)

describe("_meta.lua", function()
  it("defines every public function, and no other", function()
    local wanted = {}
    for _, name in pairs(FUNCTIONS) do
      wanted[name] = true
    end
    assert.same(keys(wanted), all(meta, "\nfunction ([%w_.:]+)%("))
  end)

  it("has the options, settings, fields and codes", function()
    assert.same(keys(modules.schema), fields "groupcache%.GroupOptions")
    local settings = { snapshot = {}, tls = {}, trace = {} } -- several settings as a table
    for name in pairs(modules.config.SETTINGS) do
      settings[name] = {}
    end
    assert.same(keys(settings), fields "groupcache%.Settings")
    local request = fields "groupcache%.http%.Options"
    request[#request + 1] = fields "groupcache%.http%.Request"[1]
    table.sort(request)
    assert.same(request_fields, request)
    assert.same(codes, all(meta:match "@alias groupcache.Code\n(.-)\n\n", '"(%u+)"'))
    assert.same(node_fields, fields "groupcache%.Node")
  end)

  it("can be loaded", function()
    assert.truthy(loadfile "lua/groupcache/_meta.lua")
  end)
end)

describe("docs/http-cache.md", function()
  it("has the options of http.cache, and so has _meta.lua", function()
    local source = tmp.read "lua/groupcache/http_cache.lua"
    local own = all(source:match "\nlocal OWN = (%b{})", "\n  ([%w_]+) = {")
    local page = tmp.read "docs/http-cache.md"
    assert.same(own, named(rows(chapter("## Options", page))))
    local typed = fields "groupcache%.http%.CacheOptions"
    for _, name in ipairs(own) do -- the others are those of a group
      if modules.schema[name] then
        typed[#typed + 1] = name
      end
    end
    table.sort(typed)
    assert.same(own, typed)
  end)

  it("names the options of a group that http.cache refuses", function()
    local source = tmp.read "lua/groupcache/http_cache.lua"
    local text = chapter("## Options", tmp.read "docs/http-cache.md"):match "are refused:(.-)%.\n\n"
    local refused = all(source:match "\nlocal TAKEN = (%b{})", "([%w_]+) = true")
    local told = all(text, "`([%w_]+)`")
    told[#told + 1] = "http" -- what it sets itself
    table.sort(told)
    assert.same(refused, told)
  end)
end)

describe("README.md", function()
  it("has the options of a group, and settings that there are", function()
    local list = rows(chapter("## Options", readme))
    local options, settings = {}, {}
    for _, name in ipairs(named(list)) do
      local of = modules.schema[name] and options or settings
      of[#of + 1] = name
    end
    assert.same(keys(modules.schema), options)
    for _, name in ipairs(settings) do
      assert.truthy(modules.config.SETTINGS[name], name)
    end
    for _, cells in ipairs(list) do
      local name = bare(cells[1])
      local rule = modules.schema[name] or modules.config.SETTINGS[name]
      if rule.default ~= nil and type(rule.default) ~= "table" then
        assert.equal(show(rule.default), bare(cells[2]), "default of " .. name)
      end
    end
  end)

  it("has the statuses of errors", function()
    for _, cells in ipairs(rows(chapter("## Errors", readme))) do
      assert.equal(client_status(bare(cells[1])), cells[2], cells[1])
    end
  end)

  it("shows a script that a node would run, and a program that asks one", function()
    local dir = blocks_of(readme)
    check_script(dir .. "/node.lua")
    assert.equal("local\tpage index.html\n\nmain\n", run_program(dir, "app.lua"))
  end)
end)

describe("docs/getters.md", function()
  it("has a word on every public function, outside of the examples", function()
    local text, missing = guide:gsub("\n```lua\n.-```", ""), {}
    for name in pairs(FUNCTIONS) do
      if not text:find("%f[%w]" .. name:gsub("%p", "%%%0") .. "%f[^%w_]") then
        missing[#missing + 1] = name
      end
    end
    assert.same({}, missing)
  end)

  it("has advice on every option and setting, and says where the rest is", function()
    local advice = chapter("## What to set", guide)
    local options, settings = advice:match "(\n| option .-)(\n| setting .*)"
    assert.same(keys(modules.schema), named(rows(options)))
    assert.same(keys(modules.config.SETTINGS), named(rows(settings)))
    assert.truthy(advice:find("(api.md#group-options)", 1, true))
    assert.truthy(advice:find("(api.md#settings)", 1, true))
  end)

  it("has examples that run", function()
    local dir, names = blocks_of(guide)
    for _, name in ipairs(names) do
      if name:find "^try" then
        assert.truthy(run_program(dir, name):find "fine\n$", name)
      elseif not name:find "/" then
        check_script(dir .. "/" .. name)
      end
    end
  end)
end)
