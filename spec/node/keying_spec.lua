-- SPDX-License-Identifier: MIT

-- Keys that clients' queries and headers are a part of, as the options `query` and `vary` say.

local ports = require "support.ports"
local process = require "support.process"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
local function echo(key)
  rig.record(key)
  return key
end
groupcache.group("sorted", { query = { sort = true }, writable = true, getter = echo })
groupcache.group("named", { query = { names = { "page", "q" }, sort = true }, writable = true,
  getter = echo })
groupcache.group("language", { query = "key", vary = { ["accept-language"] = { "de", "en" } },
  writable = true, getter = function(key)
    local parts = groupcache.split(key)
    rig.record(key)
    return { body = table.concat({ parts.path, tostring(parts.query), tostring(parts.args.a),
      parts.vary["accept-language"] }, "|"), tags = { parts.path } }
  end })
groupcache.group("any", { vary = { "X-Kind" }, getter = function(key)
  return { body = groupcache.split(key).vary["x-kind"], headers = { vary = "x-other" } }
end })
return { workers = 1, http_threads = 1 }
]]

describe("the key of a request", function()
  local r, nodes

  setup(function()
    r, nodes = rig.new(), {}
    local urls, at = {}, {}
    for i = 1, 2 do
      at[i] = ports.free()
      urls[i] = "http://127.0.0.1:" .. at[i]
    end
    for i = 1, 2 do
      nodes[i] = node.start { port = at[i], self = urls[i], peers = urls,
        script = r:script(SCRIPT) }
    end
  end)

  teardown(function()
    rig.stop_all(nodes)
  end)

  local function ask(target, headers, method, body)
    return assert(nodes[1]:request { target = "/cache/" .. target, headers = headers,
      method = method, body = body })
  end

  it("has its query sorted", function()
    for _, target in ipairs { "sorted/a?b=1&a=2", "sorted/a?a=2&b=1" } do
      assert.equal("a?a=2&b=1", ask(target).body)
    end
    assert.equal(1, r:calls()["a?a=2&b=1"])
    assert.equal("a", ask("sorted/a?").body)
  end)

  it("has only the parts of the query that have a name", function()
    assert.equal("n?page=2&q=x", ask("named/n?utm=1&q=x&page=2").body)
    assert.equal("n", ask("named/n?utm=1").body)
    assert.equal("n", ask("named/n").body)
    assert.equal(1, r:calls().n)
  end)

  it("is the same for changes, and never that of the whole group", function()
    assert.equal(204, ask("named/set?q=1&utm=2", nil, "PUT", "set").status)
    assert.equal("set", ask("named/set?q=1&utm=3").body)
    assert.equal(204, ask("named/kept", nil, "PUT", "kept").status)
    assert.equal(204, ask("named/?utm=1", nil, "DELETE").status)
    assert.equal("kept", ask("named/kept").body)
    assert.equal("set", ask("named/set?q=1").body)
    assert.equal(204, ask("named/set?utm=1&q=1", nil, "DELETE").status)
    assert.equal("set?q=1", ask("named/set?q=1").body)
  end)

  it("has what a header chooses from a list", function()
    local function body(language, target)
      local res = ask(target or "language/a", { ["Accept-Language"] = language })
      assert.equal("accept-language", res.headers.vary)
      return res.body
    end
    for _ = 1, 2 do
      assert.equal("a|nil|nil|en", body "en-GB,en;q=0.9,de;q=0.5")
      assert.equal("a|nil|nil|de", body "de-AT")
      assert.equal("a|nil|nil|de", body "fr")
      assert.equal("a|a=A|A|en", body("en", "language/a?a=%41"))
      assert.equal("a#accept-language=de|nil|nil|en", body("en", "language/a%23accept-language=de"))
    end
    assert.equal("a|nil|nil|de", ask("language/a").body)
    assert.equal(1, r:calls()["a#accept-language=en"])
    assert.equal(1, r:calls()["a#accept-language=de"])
  end)

  it("loses all its variants by their tag", function()
    ask("language/t", { ["Accept-Language"] = "de" })
    ask("language/t", { ["Accept-Language"] = "en" })
    local res = assert(nodes[2]:request { method = "POST", target = "/cache/language",
      body = '{"remove_tags":["t"]}' })
    assert.equal(204, res.status)
    ask("language/t", { ["Accept-Language"] = "de" })
    ask("language/t", { ["Accept-Language"] = "en" })
    assert.equal(2, r:calls()["t#accept-language=de"])
    assert.equal(2, r:calls()["t#accept-language=en"])
  end)

  it("has any value of a header, in one spelling, and the value's own Vary stays", function()
    local res = ask("any/a", { ["X-Kind"] = " ONE,  two" })
    assert.same({ "one,two", "x-other" }, { res.body, res.headers.vary })
    res = assert(nodes[1]:request { target = "/cache/any/a",
      headers = { { "Host", "x" }, { "X-Kind", "one" }, { "X-Kind", "Two" } } })
    assert.equal("one,two", res.body)
    res = ask("any/a", { ["X-Kind"] = ("x"):rep(5000) })
    assert.equal(400, res.status)
    assert.matches("the key with the headers that vary has %d+ bytes, max_key_bytes is", res.body)
  end)

  it("is refused in a script with wrong rules, which say what would be right", function()
    for code, message in pairs {
      ["query = 'all'"] = 'query is "all", and must be "refuse", "key" or a table with names '
        .. "or sort",
      ["query = { order = true }"] = "query.order is no option: a table has names = { ... } and "
        .. "sort = true",
      ["query = { names = {} }"] = "query.names must be a list of 1 to 64 strings",
      ["query = { names = { 'a\\n' } }"] = "query.names: item 1 is",
      ["vary = 'accept'"] = "vary is a string, and must be a list of headers, or headers with the "
        .. "values to choose from",
      ["vary = { 'a b' }"] = 'vary: "a b" is no name of a header',
      ["vary = { accept = { 'text/html' } }"] = 'vary["accept"]: item 1 is "text/html", and must '
        .. "be a token, such as de or gzip",
      ["vary = { accept = {} }"] = 'vary["accept"] must be a list of 1 to 64 strings',
    } do
      local script = tmp.file(([[require("groupcache").group("g", { %s, getter = print })]])
        :format(code), "wrong.lua")
      local out = process.run { node.binary or "build/bin/groupcached", "check", script }
      assert.is_true(out.code ~= 0, code)
      assert.truthy((out.stdout .. out.stderr):find(message, 1, true),
        code .. ": " .. out.stdout .. out.stderr)
    end
  end)
end)
