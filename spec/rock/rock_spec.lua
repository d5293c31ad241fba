-- SPDX-License-Identifier: MIT

-- What is packed: the rockspec, and what `make install` puts where. `make rock` shows that
-- LuaRocks agrees; nothing here needs LuaRocks or a network.

local lfs = require "lfs"
local node = require "support.node"
local process = require "support.process"
local sorted = require "groupcache.sorted"
local tmp = require "support.tmp"

local BUILD = os.getenv "BUILD" or "build"
local ROOT = lfs.currentdir()

local makefile = tmp.read "Makefile"
local VERSION = makefile:match "\nVERSION = (%S+)\n"

-- path -> its size, for every file below a folder, relative to it.
local function files(folder)
  local found = {}
  local function walk(path, prefix)
    for name in lfs.dir(path) do
      local full = path .. "/" .. name
      if name ~= "." and name ~= ".." then
        if lfs.symlinkattributes(full, "mode") == "directory" then
          walk(full, prefix .. name .. "/")
        else
          found[prefix .. name] = lfs.symlinkattributes(full, "size")
        end
      end
    end
  end
  walk(folder, "")
  return found
end

local function make(...)
  local argv = { "make", "--no-print-directory", "BUILD=" .. BUILD, ... }
  -- The variables on the command line of an outer make come along: other flags would mean
  -- another build. Its job slots do not.
  local flags = os.getenv "MAKEFLAGS" or ""
  argv.env = { MAKEFLAGS = flags:match "%-%- .*$" or false, MFLAGS = false, MAKELEVEL = false,
    INST_PREFIX = false, INST_BINDIR = false, INST_LIBDIR = false, INST_LUADIR = false,
    INST_DATADIR = false, INST_LIST = false, PREFIX = false,
    DESTDIR = false }
  argv.timeout = 300
  local r = process.run(argv)
  assert(r.code == 0, r.stdout .. r.stderr)
  return r.stdout
end

local PAGES = { "man/man8/groupcached.8", "bash-completion/completions/groupcached",
  "zsh/site-functions/_groupcached", "fish/vendor_completions.d/groupcached.fish" }

-- What an installation holds, below the four folders, and its list.
local function wanted(bin, lib, share, data, list_of_files)
  local list = { bin .. "/groupcached", lib .. "/groupcache/core.so", list_of_files }
  for _, page in ipairs(PAGES) do
    list[#list + 1] = data .. "/" .. page
  end
  for name in pairs(files "lua") do
    if name:match "%.lua$" then
      list[#list + 1] = share .. "/" .. name
    end
  end
  table.sort(list)
  return list
end

-- A rockspec is a Lua file that sets globals.
local function load_rockspec(path)
  local chunk = assert(loadfile(path))
  local fields = {}
  setfenv(chunk, fields)()
  return fields
end

describe("the rockspec", function()
  local scm = "rockspec/groupcache-scm-1.rockspec"
  local spec

  setup(function()
    spec = load_rockspec(scm)
  end)

  it("is what its file name says, as are those of releases", function()
    local count = 0
    for name in lfs.dir "rockspec" do
      if name:match "%.rockspec$" then
        count = count + 1
        local r = load_rockspec("rockspec/" .. name)
        assert.equal(r.package .. "-" .. r.version .. ".rockspec", name)
        assert.equal("groupcache", r.package)
        local release = r.version:match "^(%d+%.%d+%.%d+)%-%d+$"
        if release then
          assert.equal("v" .. release, r.source.tag)
        else
          assert.equal("scm-1", r.version)
          assert.equal("main", r.source.branch)
        end
      end
    end
    assert.is_true(count >= 1)
  end)

  it("says what LuaRocks wants to know", function()
    assert.equal("3.0", spec.rockspec_format)
    assert.equal("MIT", spec.description.license)
    assert.equal("make", spec.build.type)
  end)

  -- The prefix of names that are made at run time, and a loader that run-getter makes.
  local MADE = { ["groupcache.discover."] = true, ["groupcache.cli."] = true,
    ["groupcache.real"] = true }

  it("has no dependency that the Lua part does not require, and all that it does", function()
    local ours, foreign = files "lua", {}
    local known = { jit = true, ffi = true, bit = true, string = true, table = true }
    for name in pairs(ours) do
      local source = tmp.read("lua/" .. name)
      for module in source:gmatch "[^%w_.]require%s*%(?%s*[\"']([%w_.%-]+)[\"']" do
        local path = module:gsub("%.", "/")
        if module ~= "groupcache.core" and not known[module:match "^[^.]+"]
          and not ours[path .. ".lua"] and not ours[path .. "/init.lua"]
          and not MADE[module] then
          foreign[module] = true
        end
      end
    end
    -- Only a node whose `loop` names them needs these.
    for module in pairs(foreign) do
      if module:find "^cqueues" or module == "luv" then
        foreign[module] = nil
      end
    end
    -- A module that is foreign belongs to a rock, which belongs into the list.
    local rocks = { cjson = "lua-cjson", mpack = "mpack" }
    local list = { lua = true }
    for module in pairs(foreign) do
      list[assert(rocks[module:match "^[^.]+"], "which rock has " .. module .. "?")] = true
    end
    local named = {}
    for _, dependency in ipairs(spec.dependencies) do
      named[dependency:match "^%S+"] = true
    end
    assert.same(sorted(list), sorted(named))
    assert.equal("lua == 5.1", spec.dependencies[1])
  end)

  it("asks for every library that is linked", function()
    local libraries = {}
    for _, dependency in pairs(spec.external_dependencies) do
      libraries["lib" .. dependency.library .. ".so"] = true
    end
    local linked = {}
    local r = process.run { "readelf", "-d", BUILD .. "/bin/groupcached", env = { LC_ALL = "C" } }
    for name in r.stdout:gmatch "NEEDED[^\n]*%[(lib[^%]]-%.so)[%d.]*%]" do
      -- Parts of glibc and of the compiler need no asking; br and zstd are done without if need be.
      if not name:match "^libc%.so" and not name:match "^libm%.so"
        and not name:match "^libresolv%.so" and not name:match "^libgcc_s"
        and not name:match "^lib%a*san%.so"
        and name ~= "libbrotlidec.so" and name ~= "libzstd.so" then
        linked[name] = true
      end
    end
    assert.same(sorted(libraries), sorted(linked))
  end)

  it("of this version differs from that of the branch in nothing but version and source", function()
    local release = load_rockspec(("rockspec/groupcache-%s-1.rockspec"):format(VERSION))
    assert.equal(VERSION .. "-1", release.version)
    assert.equal(spec.source.url, release.source.url)
    local branch = load_rockspec(scm)
    for _, fields in ipairs { branch, release } do
      fields.version, fields.source = nil, nil
    end
    assert.same(branch, release)
  end)

  it("passes variables that the Makefile knows", function()
    local unknown = {}
    for _, set in ipairs { spec.build.variables, spec.build.install_variables } do
      for name in pairs(set) do
        if not makefile:find("$(" .. name, 1, true) then
          unknown[#unknown + 1] = name
        end
      end
    end
    assert.same({}, unknown)
  end)

  it("copies folders that exist", function()
    for _, name in ipairs(spec.build.copy_directories) do
      assert.equal("directory", lfs.attributes(name, "mode"))
    end
  end)
end)

describe("the version", function()
  local changelog = tmp.read "CHANGELOG.md"

  local function number(version)
    local major, minor, patch = version:match "^(%d+)%.(%d+)%.(%d+)$"
    return (tonumber(major) * 1000 + tonumber(minor)) * 1000 + tonumber(patch)
  end

  it("has the newest section of the changelog, or follows it", function()
    local unreleased = changelog:find("\n## Unreleased\n", 1, true)
    local at, _, newest = changelog:find "\n## (%S+) %(%d%d%d%d%-%d%d%-%d%d%)\n"
    assert.is_truthy(at, "no section has a version and a date")
    assert.is_truthy(not unreleased or unreleased < at, "Unreleased is not the first section")
    if newest ~= VERSION then
      assert.is_true(number(VERSION) > number(newest))
      assert.is_truthy(unreleased, "the changelog has no section for what follows " .. newest)
    end
  end)

  it("has a section, with nothing above it, in the commit of its tag", function()
    local tags = process.run { "git", "tag", "--points-at", "HEAD" }
    if tags.code ~= 0 or not ("\n" .. tags.stdout):find("\nv" .. VERSION .. "\n", 1, true) then
      return -- this is no release
    end
    local above, newest = changelog:match "^(.-)\n## (%d+%.%d+%.%d+) "
    assert.equal(VERSION, newest)
    assert.is_nil(above:match "\n%- ")
  end)

  it("is written in the Makefile alone", function()
    local alone = "(^|[^0-9.])" .. VERSION:gsub("%.", "\\.") .. "([^0-9.]|$)"
    local r = process.run { "grep", "-rlE", alone, "src", "lua", "debian", "package", "Makefile" }
    assert.equal("Makefile\n", r.stdout)
  end)
end)

describe("make install", function()
  local prefix

  setup(function()
    prefix = tmp.dir() .. "/a prefix"
    make("install", "PREFIX=" .. prefix)
  end)

  it("installs the command, the C module, every Lua module, the man page and completions, and "
    .. "nothing else", function()
    assert.same(wanted("bin", "lib/lua/5.1", "share/lua/5.1", "share",
      "share/groupcache/installed"), sorted(files(prefix)))
  end)

  it("copies the Lua modules as they are", function()
    for name, size in pairs(files "lua") do
      local copy = prefix .. "/share/lua/5.1/" .. name
      assert.equal(size, lfs.attributes(copy, "size"))
      assert.is_true(tmp.read("lua/" .. name) == tmp.read(copy), name)
      assert.equal("rw-r--r--", lfs.attributes(copy, "permissions"))
    end
    assert.equal("rwxr-xr-x", lfs.attributes(prefix .. "/bin/groupcached", "permissions"))
  end)

  it("puts DESTDIR before PREFIX", function()
    local dest = tmp.dir()
    make("install", "DESTDIR=" .. dest, "PREFIX=/opt/x")
    assert.same(wanted("opt/x/bin", "opt/x/lib/lua/5.1", "opt/x/share/lua/5.1", "opt/x/share",
      "opt/x/share/groupcache/installed"), sorted(files(dest)))
  end)

  it("goes where LuaRocks says, without PREFIX", function()
    local dest = tmp.dir()
    make("install", "PREFIX=/nowhere", "INST_BINDIR=" .. dest .. "/b",
      "INST_LIBDIR=" .. dest .. "/l", "INST_LUADIR=" .. dest .. "/s/lua",
      "INST_DATADIR=" .. dest .. "/d", "INST_LIST=")
    assert.same(wanted("b", "l", "s/lua", "d"), sorted(files(dest)))
  end)

  it("installs a man page that man reads without a warning", function()
    local page = prefix .. "/share/man/man8/groupcached.8"
    if process.run({ "sh", "-c", "command -v man" }).code ~= 0 then
      return pending "there is no man here"
    end
    local r = process.run { "man", "--warnings", "-l", page, env = { MANWIDTH = "80",
      MANROFFSEQ = "", LC_ALL = "C.UTF-8" } }
    assert.equal("", r.stderr)
    assert.matches("groupcached %- a cache node", r.stdout)
    assert.matches("%-%-listen ADDRESS", r.stdout)
  end)

  it("installs completions that bash uses", function()
    local r = process.run { "bash", "-c", [[source "$1" && COMP_WORDS=(groupcached st) &&
      COMP_CWORD=1; _groupcached; echo "${COMPREPLY[@]}"]], "bash",
      prefix .. "/share/bash-completion/completions/groupcached" }
    assert.equal("stats\n", r.stdout)
  end)

  it("compiles nothing that is compiled already", function()
    local said = make("install", "PREFIX=" .. tmp.dir())
    assert.is_nil(said:match "\n? +CC +[^\n]+")
    assert.is_nil(said:match "\n? +LINK +[^\n]+")
  end)

  it("gives a groupcached that runs from its own place", function()
    local r = process.run { prefix .. "/bin/groupcached", "--version", cwd = "/",
      env = { LUA_PATH = false, LUA_CPATH = false } }
    assert.equal("groupcached " .. VERSION .. "\n", r.stdout)
    assert.equal(0, r.code)

    local n = node.start { program = prefix .. "/bin/groupcached", cwd = "/",
      env = { LUA_PATH = false, LUA_CPATH = false }, script = [[
        local groupcache = require "groupcache"
        groupcache.group("where", { getter = function(module)
          return package.loaded[module] and package.searchpath(module, package.path)
        end })
        return {}
      ]] }
    finally(function() n:kill9() end)
    assert.equal(prefix .. "/share/lua/5.1/groupcache/init.lua", n:get("where", "groupcache").body)
    assert.equal(0, n:stop())
  end)

  it("gives a groupcached that serves the quick start", function()
    local folder = tmp.dir()
    tmp.write(folder .. "/some file", "its bytes")
    local n = node.start { program = prefix .. "/bin/groupcached", cwd = "/",
      env = { LUA_PATH = false, LUA_CPATH = false, QUICKSTART_ROOT = folder .. "/" },
      script = ROOT .. "/examples/quickstart.lua" }
    finally(function() n:kill9() end)
    local res = n:get("files", "some file")
    assert.equal(200, res.status)
    assert.equal("its bytes", res.body)
    assert.equal(0, n:stop())
  end)

  it("gives a module that LuaJIT loads, and that tells others why not", function()
    local share = prefix .. "/share/lua/5.1/"
    local env = { LUA_PATH = share .. "?.lua;" .. share .. "?/init.lua",
      LUA_CPATH = prefix .. "/lib/lua/5.1/?.so" }
    local ask = "io.write(require('groupcache')._VERSION)"
    if not os.getenv "SAN" then -- their runtimes would have to be in luajit
      local r = process.run { "luajit", "-e", ask, cwd = "/", env = env }
      assert.equal(VERSION, r.stdout, r.stderr)
      assert.equal(0, r.code)
    end
    local r = process.run { "luajit", "-e", "jit = nil " .. ask, cwd = "/", env = env }
    assert.equal(1, r.code)
    assert.matches("groupcache needs LuaJIT 2%.1", r.stderr)
  end)

  it("gives a C module with one symbol, for a host that has Lua's", function()
    local core = prefix .. "/lib/lua/5.1/groupcache/core.so"
    local r = process.run { "readelf", "-d", core, env = { LC_ALL = "C" } }
    assert.equal(0, r.code)
    assert.is_nil(r.stdout:find("luajit", 1, true))
    assert.is_nil(r.stdout:find "R[UN]*PATH")
    r = process.run { "nm", "-D", "--defined-only", core }
    local exported = {}
    for name in r.stdout:gmatch " T ([%w_]+)" do
      if not name:match "^_" then
        exported[#exported + 1] = name
      end
    end
    assert.same({ "luaopen_groupcache_core" }, exported)
  end)
end)

describe("make uninstall", function()
  -- Files and folders of a tree, each with its size or a slash.
  local function whole(folder)
    return process.run { "find", ".", "-printf", "%p %y %m %s\n", cwd = folder,
      timeout = 60 }.stdout:gsub("( d %d+) %d+\n", "%1\n")
  end

  -- A tree as others use it: folders that are there already, one of them empty, and their files.
  local function used()
    local folder = tmp.dir() .. "/a prefix"
    assert.equal(0, process.run { "mkdir", "-p", folder .. "/bin",
      folder .. "/share/lua/5.1/groupcache/codec", folder .. "/share/man/man8" }.code)
    tmp.write(folder .. "/share/lua/5.1/groupcache/codec/mine.lua", "return {}")
    return folder
  end

  it("leaves the tree as it was before make install", function()
    local folder = tmp.dir() .. "/of others"
    assert.equal(0, process.run { "mkdir", "-p", folder .. "/usr/local/bin",
      folder .. "/usr/local/share/lua/5.1/groupcache/codec" }.code)
    tmp.write(folder .. "/usr/local/share/lua/5.1/groupcache/codec/mine.lua", "return {}")
    local before = whole(folder)
    make("install", "DESTDIR=" .. folder)
    assert.not_equal(before, whole(folder))
    make("uninstall", "DESTDIR=" .. folder)
    assert.equal(before, whole(folder))
  end)

  it("removes what an older version has installed under the same PREFIX", function()
    local folder = used()
    local before = whole(folder)
    make("install", "PREFIX=" .. folder)
    -- As if the older version had had one module more.
    local gone = folder .. "/share/lua/5.1/groupcache/older.lua"
    local list = folder .. "/share/groupcache/installed"
    tmp.write(gone, "return {}")
    tmp.write(list, tmp.read(list) .. gone .. "\n")
    make("install", "PREFIX=" .. folder)
    assert.equal("file", lfs.attributes(gone, "mode"))
    make("uninstall", "PREFIX=" .. folder)
    assert.equal(before, whole(folder))
  end)

  it("fails where nothing was installed, and says why", function()
    local folder = tmp.dir()
    local r = process.run { "make", "--no-print-directory", "uninstall", "PREFIX=" .. folder,
      env = { MAKEFLAGS = false, MAKELEVEL = false, DESTDIR = false } }
    assert.equal(2, r.code)
    assert.matches("there is no " .. folder .. "/share/groupcache/installed", r.stderr, 1, true)
  end)
end)

describe("the Makefile", function()
  it("keeps its own flags when LuaRocks gives some on the command line", function()
    local said = make("-n", "V=1", "all", "BUILD=" .. tmp.dir(), "CFLAGS=-O1 -DHERE",
      "LIBFLAG=-shared -DLIB", "LUAJIT_INCDIR=/where/include", "LUAJIT_LIBDIR=/where/lib")
    local compile = assert(said:match "\n([^\n]*/obj/src/main%.o [^\n]*)\n")
    for _, flag in ipairs { "-std=c11", "-Wall", "-fPIC", "-pthread", "-fvisibility=hidden",
      "-DGROUPCACHE_VERSION='\"" .. VERSION .. "\"'", "-O1 -DHERE",
      "-I/where/include/luajit-2.1" } do
      assert(compile:find(" " .. flag .. " ", 1, true), flag .. " is not in " .. compile)
    end
    local link = assert(said:match "\n([^\n]*/groupcache/core%.so [^\n]*)\n")
    assert(link:find(" -shared -DLIB ", 1, true), link)
    assert(link:find(" -L/where/lib ", 1, true), link)
  end)
end)
