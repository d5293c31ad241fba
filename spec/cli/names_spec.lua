-- SPDX-License-Identifier: MIT

-- A name that is no setting and no option: what the message makes of it. "The nearest" was whatever
-- came out first (`--port`: `--jit`), and of two wrong names each run named another.

local node = require "support.node"
local process = require "support.process"
local tmp = require "support.tmp"

local GOOD = 'require("groupcache").group("g", { getter = function(key) return key end })\n'

local function message(words, code)
  local argv = { node.binary, timeout = 20 }
  for _, word in ipairs(words) do
    argv[#argv + 1] = word
  end
  local out = process.run(argv)
  assert.equal(code, out.code, out.stderr)
  assert.equal("", out.stdout)
  return (out.stderr:match "^groupcached: ([^\n]+)\n$")
end

describe("an unknown flag", function()
  local path = tmp.file(GOOD, "node.lua")
  local cases = {
    ["--port"] = "unknown option --port, it is called --listen",
    ["--host"] = "unknown option --host, it is called --listen",
    ["--bind=x"] = "unknown option --bind, it is called --listen",
    ["--max_key_byte"] = "unknown option --max_key_byte, the nearest is --max-key-bytes",
    ["--wokers"] = "unknown option --wokers, the nearest is --workers",
    ["--LISTEN"] = "unknown option --LISTEN, it is called --listen",
    ["--ttl"] = "unknown option --ttl: it is an option of a group: put it into the options of "
      .. "groupcache.group",
    ["--expire"] = "unknown option --expire: ttl is an option of a group: put it into the options "
      .. "of groupcache.group",
    ["--frobnicate"] = "unknown option --frobnicate",
    ["--xy"] = "unknown option --xy",
  }
  for word, text in pairs(cases) do
    it(word, function()
      assert.equal(text .. "; see groupcached --help", message({ path, word }, 2))
    end)
  end

  it("is named with all others that are wrong, in order", function()
    for _ = 1, 5 do
      assert.equal("unknown option --port, it is called --listen; unknown option --wokers, the "
        .. "nearest is --workers; unknown option -x; see groupcached --help",
        message({ path, "--wokers", "2", "-x", "--port", "80" }, 2))
    end
    assert.equal('--hash is "md5", and must be one of "crc32", "fnv1-32", "fnv1a-32", "fnv1-64", '
      .. '"fnv1a-64"; --jit is "x", and must be yes|no; see groupcached --help',
      message({ path, "--jit", "x", "--hash", "md5" }, 2))
  end)

  it("may be written with underscores, as a setting", function()
    local out = process.run { node.binary, "check", path, "--max_key_bytes", "10", timeout = 20 }
    assert.equal(0, out.code)
  end)
end)

describe("an unknown name in a script", function()
  local function of_group(options)
    return message({ "check", tmp.file(("require('groupcache').group('g', { getter = print, %s })")
      :format(options), "node.lua") }, 1):match 'node%.lua:1: group "g": (.*)'
  end

  local function of_node(settings)
    return message({ "check", tmp.file(GOOD .. "return { " .. settings .. " }", "node.lua") }, 1)
      :match "node%.lua: (.*)"
  end

  it("that is a setting among the options of a group is said to be one", function()
    assert.equal('unknown option "listen": it is a setting of the node: put it into the table that '
      .. "the script returns", of_group "listen = ':80'")
    assert.equal('unknown option "port": listen is a setting of the node: put it into the table '
      .. "that the script returns", of_group "port = 80")
  end)

  it("that is an option among the settings is said to be one", function()
    assert.equal('unknown option "cache_bytes": it is an option of a group: put it into the '
      .. "options of groupcache.group", of_node "cache_bytes = '1MB'")
  end)

  it("that is another word for an option is translated", function()
    for _, word in ipairs { "max_age", "expire", "expires" } do
      assert.equal(('unknown option "%s", it is called "ttl"'):format(word), of_group(word .. "=1"))
    end
    assert.equal('unknown option "size", it is called "cache_bytes"', of_group "size = 1")
    assert.equal('unknown option "port", it is called "listen"', of_node "port = 80")
  end)

  it("that is like no other gets no advice", function()
    assert.equal('unknown option "frobnicate"', of_group "frobnicate = 1")
    assert.equal('unknown option "frobnicate"', of_node "frobnicate = 1")
  end)

  it("is named with all else that is wrong, in order", function()
    for _ = 1, 5 do
      assert.equal('max_loads is 0, and must be a whole number from 1 to 16384; '
        .. 'unknown option "a"; unknown option "b"; unknown option "tll", the nearest is "ttl"',
        of_group "tll = 1, b = 2, a = 3, max_loads = 0")
      assert.equal('jit is 5, and must be a boolean; unknown option "a"; unknown option "b"',
        of_node "b = 1, a = 2, jit = 5")
    end
  end)

  it("that is no string is shown", function()
    assert.equal("unknown option 1", of_group "'x'")
  end)
end)

describe("a variable of the environment with a wrong value", function()
  it("is named with all others", function()
    local out = process.run { node.binary, tmp.file(GOOD, "node.lua"), timeout = 20,
      env = { GROUPCACHE_WORKERS = "none", GROUPCACHE_JIT = "maybe" } }
    assert.matches('^groupcached: GROUPCACHE_JIT is "maybe", and must be yes|no; '
      .. 'GROUPCACHE_WORKERS is "none", and must be a whole number', out.stderr)
  end)
end)
