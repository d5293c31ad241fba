-- SPDX-License-Identifier: MIT

-- The page of operators: what the node sends, and what a real browser makes of it.

local browser = require "support.browser"
local cjson = require "cjson"
local node = require "support.node"
local rig = require "node.rig"

local only_with_browser = require "sources.with"(browser, it, function(why) pending(why) end)

local NO_LUCK = [[no luck with <b onclick="x">]]
local EVIL = '<img src=x onerror="document.title=1">'

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { ttl = 600, getter = function(key)
  if key:find "^bad" then return nil, "no luck with " .. '<b onclick="x">' end
  if key:find "^none" then return nil end
  return "v:" .. key
end })
groupcache.group('<img src=x onerror="document.title=1">', {
  getter = function(key) return key end })
groupcache.group("gr\xc3\xbcn \xff", { getter = function(key) return key end })
]]

local function ask(n, target)
  local res = assert(n:request { target = target })
  assert.equal(200, res.status, res.body)
  return cjson.decode(res.body), res
end

describe("the page of operators", function()
  local n

  setup(function()
    n = node.start { script = SCRIPT }
  end)

  teardown(function()
    rig.stop(n)
  end)

  it("may load nothing but the node's own views, and run no script but its own", function()
    local res = assert(n:request { target = "/" })
    local policy = res.headers["content-security-policy"]
    local nonce = policy:match "script%-src 'nonce%-(%x+)'"
    assert.equal(32, #nonce)
    assert.matches("^default%-src 'none'; connect%-src 'self';", policy)
    assert.matches("frame%-ancestors 'none'; base%-uri 'none'; form%-action 'none'", policy)
    assert.is_nil(policy:find "unsafe")
    assert.truthy(res.body:find('<script nonce="' .. nonce .. '">', 1, true))
    assert.truthy(res.body:find('<style nonce="' .. nonce .. '">', 1, true))
    local elsewhere = res.body:gsub("http://www.w3.org/2000/svg", "") -- a name, not an address
    assert.is_nil(elsewhere:find "https?://%w")
    assert.equal("text/html; charset=utf-8", res.headers["content-type"])
    local other = assert(n:request { target = "/" }).headers["content-security-policy"]
    assert.not_equal(policy, other)
  end)

  it("has a HEAD, and takes no change", function()
    local res = assert(n:request { target = "/", method = "HEAD" })
    assert.same({ 200, "" }, { res.status, res.body })
    assert.equal(405, n:request({ target = "/", method = "PUT" }).status)
  end)

  it("is not for the page of another site whose name leads to 127.0.0.1", function()
    for _, target in ipairs { "/", "/recent", "/explain/g/k" } do
      local res = assert(n:request { target = target, headers = { Host = "evil.example" } })
      assert.equal(403, res.status)
      assert.matches("none of 127.0.0.0/8", cjson.decode(res.body).error, 1, true)
      for _, host in ipairs { "127.0.0.1:" .. n.port, "localhost", "[::1]:80" } do
        assert.equal(200, n:request({ target = target, headers = { Host = host } }).status, host)
      end
    end
  end)

  it("is not for clients", function()
    local admin = require("support.ports").free()
    local other = node.start { script = SCRIPT, args = { "--admin-listen", "127.0.0.1:" .. admin } }
    local seen = {}
    for i, target in ipairs { "/", "/recent", "/explain/g/k" } do
      seen[i] = other:request({ target = target }).status
    end
    rig.stop(other)
    assert.same({ 404, 404, 404 }, seen)
  end)
end)

describe("/recent", function()
  it("has popular keys, slow getters and errors of each group", function()
    local n = node.start { script = SCRIPT }
    for i = 1, 200 do
      n:get("g", i % 2 == 0 and "often" or "k" .. i)
    end
    n:get("g", "bad1")
    n:get("g", "bad2")
    n:get("g", "none")
    local long = ("x"):rep(100)
    n:get("g", "bad" .. long)
    local g = ask(n, "/recent").groups.g
    rig.stop(n)
    assert.equal("often", g.popular[1].key)
    assert.is_true(g.popular[1].gets_a_minute > 100)
    assert.equal(8, #g.slow)
    assert.is_true(g.slow[1].took_us >= g.slow[8].took_us and g.slow[8].took_us > 0)
    assert.equal(1, #g.failed)
    local f = g.failed[1]
    assert.same({ 3, "getter", "GETTER", NO_LUCK, "bad" .. long:sub(1, 61), 103 },
      { f.count, f.source, f.code, f.error, f.key, f.key_bytes })
  end)
end)

describe("/explain", function()
  it("says whose a key is, and what is held, and loads nothing", function()
    local n = node.start { script = SCRIPT }
    local before = ask(n, "/explain/g/k")
    n:get("g", "k")
    local after = ask(n, "/explain/g/k")
    local gets = n:stats().groups.g.gets
    local odd = ask(n, "/explain/gr%c3%bcn%20%ff/a%00%ff%2Fb")
    local unknown = ask(n, "/explain/nothing/k")
    local bad = n:request { target = "/explain/g" }
    rig.stop(n)
    assert.same({ node = n.url, group = "g", key = "k", known = true, owner = n.url, asked = n.url,
      alone = true, loading = false, waiters = 0 }, before)
    assert.same({ "main", 3, 0 }, { after.held, after.value_bytes, after.age_s })
    assert.is_true(after.cost_bytes > 3 and after.expires_in_ms > 500000)
    assert.equal(1, gets)
    assert.same({ true, "a\0\195\191/b" }, { odd.known, odd.key }) -- bytes as characters
    assert.is_false(unknown.known)
    assert.equal(400, bad.status)
  end)

  it("tells the owner from the node that is asked in its place", function()
    local nodes = node.cluster(2, { script = SCRIPT })
    local key
    for i = 1, 100 do
      key = "k" .. i
      if ask(nodes[1], "/explain/g/" .. key).owner == nodes[2].url then
        break
      end
    end
    assert.equal(nodes[2].url, ask(nodes[2], "/explain/g/" .. key).owner)
    nodes[2]:kill9()
    nodes[1]:get("g", key)
    local seen = ask(nodes[1], "/explain/g/" .. key)
    rig.stop(nodes[1])
    assert.same({ nodes[2].url, nodes[1].url, "main" }, { seen.owner, seen.asked, seen.held })
  end)
end)

describe("the page in a browser", function()
  local seen

  local function look()
    if seen ~= nil then
      return assert(seen, "the browser failed before")
    end
    seen = false
    local nodes = node.cluster(3, { script = SCRIPT })
    seen = browser.run("spec/operators/page.js", nodes[1].url, nodes[3].process.pid,
      nodes[1].process.pid)
    seen.urls = { nodes[1].url, nodes[2].url, nodes[3].url }
    nodes[1]:kill9()
    nodes[3]:kill9()
    rig.stop(nodes[2])
    return seen
  end

  only_with_browser("has a row for each group and each node, and names as text", function()
    look()
    assert.same({ "g", EVIL, "grün ÿ" }, { seen.groups[1], seen.groups[2],
      (seen.groups[3]:gsub("Ã¼", "ü")) })
    assert.same(seen.urls, seen.peers)
    assert.equal(seen.urls[1]:gsub("http://", "") .. " – groupcache", seen.title)
    assert.equal("ready", seen.ready)
    assert.equal(NO_LUCK, seen.failed)
    assert.is_true(seen.slow > 0)
  end)

  only_with_browser("looks up a key", function()
    look()
    assert.matches("key\npopular\nowner\nhttp://127.0.0.1:%d+", seen.key)
    assert.matches("held here\n", seen.key)
  end)

  only_with_browser("asks no other server, and its console is silent", function()
    look()
    assert.same({}, seen.foreign)
    assert.same({}, seen.quiet)
  end)

  only_with_browser("is as wide as the window, light and dark", function()
    look()
    for name, width in pairs(seen.widths) do
      assert.equal(tonumber(name:match "%d+"), width, name)
    end
    assert.not_equal(seen.light, seen.dark)
  end)

  only_with_browser("says when the node does not answer any more", function()
    assert.matches("^This node has not answered since", look().away)
  end)
end)
