-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local process = require "support.process"
local tmp = require "support.tmp"
local unit = require "support.unit"
local C = unit.load("base/log.h", "base/err.h")

local function quote(bytes, cap)
  local out = ffi.new("char[?]", (cap or 4096) + 1)
  ffi.fill(out, (cap or 4096) + 1, 0x55)
  C.log_quote(out, cap or 4096, bytes, #bytes)
  assert.equal(0x55, out[cap or 4096]) -- never beyond what it was given
  return ffi.string(out)
end

describe("log_quote", function()
  it("escapes control bytes, quotes and backslashes, and nothing else", function()
    for byte = 0, 255 do
      local c = string.char(byte)
      local plain = byte >= 0x20 and byte ~= 0x7f and c ~= '"' and c ~= "\\"
      assert.equal('"' .. (plain and c or ("\\x%02x"):format(byte)) .. '"', quote(c))
    end
  end)

  it("lets no value forge a line or a pair", function()
    assert.equal('"a\\x0atime=now level=info key=\\x22b\\x22"',
      quote 'a\ntime=now level=info key="b"')
  end)

  it("quotes nothing as nothing", function()
    assert.equal('""', quote "")
  end)

  it("cuts what does not fit, visibly, and never through an escape", function()
    local bytes = ("a\n"):rep(100)
    local whole = quote(bytes)
    for cap = 6, 120 do
      local got = quote(bytes, cap)
      assert.is_true(#got < cap)
      local kept = assert(got:match '^"(.*)%.%.%."$')
      assert.equal(whole:sub(2, 1 + #kept), kept)
      assert.is_nil(kept:gsub("\\x0a", ""):find "[\\x]")
    end
  end)

  it("writes an empty text where not even a cut one fits", function()
    for cap = 1, 5 do
      assert.equal("", quote("abcdefgh", cap))
    end
    local out = ffi.new("char[1]", 0x55)
    C.log_quote(out, 0, "abc", 3)
    assert.equal(0x55, out[0])
  end)
end)

describe("log", function()
  it("knows its levels by name", function()
    for name, level in pairs { debug = C.LOG_DEBUG, info = C.LOG_INFO, warn = C.LOG_WARN,
      error = C.LOG_ERROR, off = C.LOG_OFF } do
      assert.equal(tonumber(level), C.log_level_from_name(name))
    end
    assert.equal(-1, C.log_level_from_name "loud")
    assert.equal(-1, C.log_level_from_name "")
    assert.equal(-1, C.log_level_from_name "INFO")
  end)

  -- A sanitized library needs its runtime loaded first.
  local runtime = {}
  local san = ({ address = "asan", thread = "tsan" })[os.getenv "SAN" or ""]
  if san then
    local p = io.popen((os.getenv "CC" or "cc") .. " -print-file-name=lib" .. san .. ".so")
    runtime = { LD_PRELOAD = p:read "*l", ASAN_OPTIONS = "detect_leaks=0" }
    p:close()
  end

  -- What a process of its own writes to stderr.
  local function stderr_of(code)
    local script = ([[
      package.path = "./spec/?.lua;" .. package.path
      local ffi = require "ffi"
      ffi.cdef "void log_write(int, const char *, const char *, const char *, ...);"
      ffi.cdef "void log_set_level(int);"
      ffi.cdef "int log_set_levels(const char *, char *);"
      local C = ffi.load(%q)
      %s
    ]]):format(unit.library, code)
    local r = process.run { os.getenv "LUAJIT" or "luajit", "-e", script, env = runtime }
    assert.equal(0, r.code)
    return r.stderr
  end

  it("writes one line of pairs per event", function()
    local line = stderr_of [[C.log_write(1, "server", "listening", "addr=%s", "127.0.0.1:1")]]
    assert.is_truthy(line:match(
      "^time=%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ level=info mod=server "
      .. "msg=\"listening\" addr=127%.0%.0%.1:1\n$"))
  end)

  it("writes no trailing space without pairs", function()
    assert.is_truthy(stderr_of [[C.log_write(3, "net", "gone", "")]]:match ' msg="gone"\n$')
  end)

  it("is silent below its level", function()
    assert.equal("", stderr_of [[C.log_write(0, "net", "detail", "")]])
    assert.equal("", stderr_of [[C.log_set_level(4); C.log_write(3, "net", "trouble", "")]])
    assert.is_truthy(stderr_of [[C.log_set_level(0); C.log_write(0, "net", "detail", "")]]
      :find "level=debug")
  end)

  it("cuts a long line but still ends it", function()
    local lines = stderr_of [[
      C.log_write(1, "net", "long", "x=%s", ("y"):rep(100000))
      C.log_write(1, ("m"):rep(100000), "next", "")
      C.log_write(1, "net", "last", "")
    ]]
    local list = {}
    for line in lines:gmatch "([^\n]*)\n" do
      list[#list + 1] = line
    end
    assert.equal(3, #list)
    assert.is_truthy(list[1]:find 'msg="long" x=yyy')
    assert.is_truthy(list[3]:find 'msg="last"')
  end)

  it("has levels of single modules", function()
    local lines = stderr_of [[
      local e = ffi.new "char[1000]"
      assert(C.log_set_levels("warn,peers=debug,tls=off", e) == 0)
      for _, mod in ipairs { "peers", "net", "tls", "none of ours" } do
        for level = 0, 3 do
          C.log_write(level, mod, "m", "")
        end
      end
    ]]
    local got = {}
    for level, mod in lines:gmatch "level=(%a+) mod=([%a ]+) msg" do
      got[#got + 1] = mod .. " " .. level
    end
    assert.same({ "peers debug", "peers info", "peers warn", "peers error", "net warn", "net error",
      "none of ours debug", "none of ours info", "none of ours warn", "none of ours error" }, got)
  end)

  it("says what levels must be", function()
    local e = ffi.new "struct error"
    for _, text in ipairs { "debug", "info,peers=debug", "peers=debug",
      "off,tls=error,net=warn" } do
      assert.equal(0, tonumber(C.log_check_levels(text, e)), text)
    end
    for _, text in ipairs { "", "loud", "INFO", ",", "info,", "info,debug", "info,,peers=debug",
      "peers=", "=debug", "info peers=debug", "peers=debug,info", "info,peers=verbose",
      "informal" } do
      assert.equal(tonumber(C.ERR_INVAL), tonumber(C.log_check_levels(text, e)), text)
    end
    C.log_check_levels("info,peers=loud", e)
    assert.equal("debug, info, warn, error or off, and perhaps levels of modules behind it, as in "
      .. 'info,peers=debug; "peers=loud" is neither', ffi.string(e.msg))
    C.log_check_levels("info,peer=debug", e)
    assert.equal("levels of modules that there are: access, change, group, log, mem, net, node, "
      .. 'peers, script, server, service, snapshot, tls; "peer" is none', ffi.string(e.msg))
  end)

  it("knows every module that writes", function()
    local known = {}
    local list = tmp.read("src/base/log.h"):match "#define LOG_MODULES(.-)\n\n"
    for name in list:gmatch "X%((%l+)%)" do
      known[name] = true
    end
    local p = io.popen "grep -rhoE 'log_(debug|info|warn|error)\\(\"[^\"]*\"' src"
    for line in p:lines() do
      local name = line:match '"(.*)"'
      assert.is_true(known[name], name)
    end
    p:close()
  end)
end)
