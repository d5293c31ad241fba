-- SPDX-License-Identifier: MIT

-- `check` said that a script was fine which could not start: with too little memory for it, with
-- addresses and lists of peers that are wrong.

local node = require "support.node"
local process = require "support.process"
local tmp = require "support.tmp"

local GOOD = 'require("groupcache").group("g", { getter = function(key) return key end })\n'
local URL = "http://127.0.0.1:1234"

local function run(...)
  local argv = { node.binary, ... }
  argv.timeout = 20
  return process.run(argv)
end

describe("check finds what a start finds:", function()
  local cases = {
    ["too little memory for a VM"] = { GOOD, "--vm-bytes", "60",
      says = "no Lua VM fits into vm_bytes, which is 60 bytes" },
    ["the same in the script"] = { GOOD .. "return { vm_bytes = '60' }",
      says = "no Lua VM fits into vm_bytes, which is 60 bytes" },
    ["too little memory for the script"] = { "t = {} for i = 1, 3e5 do t[i] = 'row ' .. i end\n"
      .. GOOD .. "return { vm_bytes = '8MiB' }",
      says = "node%.lua: not enough memory: it needs more than 8388608 bytes, see vm_bytes" },
    ["a bad listen address"] = { GOOD, "--listen", "256.0.0.1:80",
      says = "listen 256%.0%.0%.1:80: " },
    ["one of another machine"] = { GOOD, "--listen", "192.0.2.1:8080",
      says = "listen 192%.0%.2%.1:8080: Cannot assign requested address" },
    ["a port that is too high"] = { GOOD, "--listen", "127.0.0.1:99999", says = "99999" },
    ["a bad admin address"] = { GOOD, "--admin-listen", "nowhere", says = "nowhere" },
    ["a peer that is no URL"] = { GOOD, "--self", URL, "--peers", URL .. ",127.0.0.1:1",
      says = 'peer "127%.0%.0%.1:1" is not a URL' },
    ["a peer twice"] = { GOOD, "--self", URL, "--peers", URL .. "," .. URL,
      says = "is listed twice" },
    ["a group's own peers"] = { 'require("groupcache").group("g", { getter = print, '
      .. 'peers = { "x" } })\nreturn { self = "' .. URL .. '", peers = { "' .. URL .. '" } }',
      says = 'group "g".*peer "x" is not a URL' },
    ["an access log in no folder"] = { GOOD, "--access-log", "/nowhere/log",
      says = "access_log /nowhere/log: No such file or directory" },
  }
  for name, case in pairs(cases) do
    it(name, function()
      local path = tmp.file(case[1], "node.lua")
      for _, command in ipairs { "check", "serve" } do
        local out = run(command, path, unpack(case, 2))
        assert.equal(1, out.code, command)
        assert.equal("", out.stdout)
        assert.matches("^groupcached: [^\n]*" .. case.says .. "[^\n]*\n$", out.stderr)
      end
    end)
  end

  it("groups that differ from VM to VM", function()
    local out = run("check", tmp.file([[
      require("groupcache").group("g" .. tostring({}):match "0x.*", { getter = print })
    ]], "node.lua"))
    assert.equal(1, out.code)
    assert.matches("not at all in another", out.stderr, 1, true)
  end)

  it("and makes no file of an access log", function()
    local dir = tmp.dir()
    local out = run("check", tmp.file(GOOD, "node.lua"), "--access-log", dir .. "/log")
    assert.equal(0, out.code, out.stderr)
    assert.is_nil(io.open(dir .. "/log"))
  end)
end)

describe("a script that needs more than the usual memory", function()
  it("is read when vm_bytes allows it", function()
    local out = run("check", tmp.file("t = ('x'):rep(100e6) .. 'y'\n" .. GOOD
      .. "return { vm_bytes = '400MB' }", "node.lua"))
    assert.equal(0, out.code, out.stderr)
  end)
end)

describe("what people type:", function()
  it("help and version are --help and --version", function()
    local help, version = run "help", run "version"
    assert.same({ 0, "", run("--help").stdout }, { help.code, help.stderr, help.stdout })
    assert.same({ 0, "", run("--version").stdout },
      { version.code, version.stderr, version.stdout })
  end)

  it("check alone says what it needs", function()
    local out = run "check"
    assert.same({ 2, "groupcached: check needs a script: groupcached check SCRIPT.lua; "
      .. "see groupcached --help\n" }, { out.code, out.stderr })
  end)

  for _, word in ipairs { "serve", "run", "start" } do
    it(word .. " before a script is what it does anyway", function()
      local out = run(word, tmp.file("error 'read'", "node.lua"))
      assert.equal(1, out.code)
      assert.matches("node%.lua:1: read", out.stderr)
    end)
  end

  it("two scripts are one too many", function()
    local path = tmp.file(GOOD, "node.lua")
    assert.matches("one script, please", run(path, path).stderr)
    assert.matches("one script, please", run("check", path, path).stderr)
  end)
end)
