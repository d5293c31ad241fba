-- SPDX-License-Identifier: MIT

-- A client that removes many keys at once: POST /cache/GROUP with {"remove": [...]}.

local cjson = require "cjson"
local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local function getter(key) rig.record(key) return "loaded" end
groupcache.group("open", { getter = getter, writable = true, hot = "always", timeout = 3 })
groupcache.group("plain", { getter = getter })
groupcache.group("locked", { getter = getter, writable = { token = "s3cret-s3cret" } })
]]

local function post(n, body, group, headers)
  return assert(n:request { method = "POST", target = "/cache/" .. (group or "open"),
    body = type(body) == "table" and cjson.encode(body) or body, headers = headers, timeout = 20 })
end

local function set(n, key, group, headers)
  local res = assert(n:get(group or "open", key, { method = "PUT", body = "set",
    headers = headers }))
  assert.equal(204, res.status)
end

local function value(n, key, group)
  return assert(n:get(group or "open", key)).body
end

describe("a list of keys to be removed", function()
  local n

  setup(function()
    n = select(2, rig.start(SCRIPT, { args = { "--workers", "1", "--max-key-bytes", "1000" } }))
  end)

  teardown(function()
    rig.stop(n)
  end)

  it("is removed, with keys that are present and keys that are not", function()
    for _, key in ipairs { "a", "b", "é/\n", "kept" } do
      set(n, key)
    end
    local res = post(n, { remove = { "a", "b", "é/\n", "absent", "a", "" } })
    assert.same({ 204, "" }, { res.status, res.body })
    assert.same({ "loaded", "loaded", "loaded", "set" },
      { value(n, "a"), value(n, "b"), value(n, "é/\n"), value(n, "kept") })
  end)

  it("may be empty", function()
    set(n, "stays")
    assert.equal(204, post(n, '{"remove": []}').status)
    assert.equal("set", value(n, "stays"))
  end)

  it("may have 10000 keys, each of which is counted, and no more", function()
    local keys = {}
    for i = 1, 10000 do
      keys[i] = "key " .. i
    end
    set(n, "key 9999")
    local before = n:stats().groups.open.removes
    assert.equal(204, post(n, { remove = keys }).status)
    assert.equal("loaded", value(n, "key 9999"))
    assert.is_true(n:stats().groups.open.removes - before >= 10000)
    set(n, "key 1")
    keys[10001] = "one more"
    local res = post(n, { remove = keys })
    assert.same({ 400, "the list has more than 10000 keys" },
      { res.status, cjson.decode(res.body).error })
    assert.equal("set", value(n, "key 1"))
  end)

  it("changes nothing if any part of it is wrong", function()
    set(n, "a")
    for _, body in ipairs { '{"remove":["a"]', '{"remove":["a"]}x', '{"remove":["a",1]}',
      '{"remove":"a"}', '{"remove":null}', '{"remove":{"a":1}}', '{"Remove":["a"]}', "{}",
      '{"remove":["a"],"remove":["b"]}', '{"remove":["a"],"other":1}', '[{"remove":["a"]}]',
      '{"remove":["a","\255"]}', '{"remove":["a","\\ud83d"]}', '{remove:["a"]}',
      ('{"remove":["a","%s"]}'):format(("x"):rep(1001)) } do
      local res = post(n, body)
      assert.same({ 400, "INVAL" }, { res.status, cjson.decode(res.body).code }, body)
    end
    assert.equal('the body has a list named "Remove": it may be a JSON list of strings, or '
      .. '{"remove": [...]}', cjson.decode(post(n, '{"Remove":[]}').body).error)
    assert.equal("set", value(n, "a"))
  end)

  it("may be removed by those who may remove one key", function()
    local function status(group, headers)
      local many = post(n, { remove = { "a" } }, group, headers).status
      assert.equal(many, assert(n:get(group, "a", { method = "DELETE", headers = headers })).status)
      return many
    end
    assert.equal(403, status "plain")
    assert.equal(204, status "open")
    assert.equal(403, status("open", { Origin = "http://elsewhere.example" }))
    assert.equal(404, status "nowhere")
    assert.equal(412, status("open", { ["If-Match"] = '"x"' }))
    local token = { Authorization = "Bearer s3cret-s3cret" }
    set(n, "a", "locked", token)
    assert.is_true(status "locked" >= 401)
    assert.equal("set", value(n, "a", "locked"))
    assert.equal(204, status("locked", token))
    assert.equal("loaded", value(n, "a", "locked"))
    assert.equal(200, post(n, { "a" }, "plain").status)
  end)
end)

describe("a list of keys to be removed in a cluster", function()
  local nodes, peers

  setup(function()
    nodes = node.cluster(3, { script = rig.new():script(SCRIPT) })
    peers = rig.urls(nodes)
  end)

  teardown(function()
    rig.stop_all(nodes)
  end)

  local function keys_of_all(name)
    local keys = {}
    for i = 1, 3 do
      for j = 1, 5 do
        keys[#keys + 1] = rig.owned_by(peers, peers[i], name .. j)
      end
    end
    return keys
  end

  local function have(list, keys, want)
    for i, each in ipairs(list) do
      for _, key in ipairs(keys) do
        assert.equal(want, value(each, key), "node " .. i)
      end
    end
  end

  it("is removed from every node, whichever is asked", function()
    for i, each in ipairs(nodes) do
      local keys = keys_of_all("round" .. i)
      for _, key in ipairs(keys) do
        set(each, key)
      end
      have(nodes, keys, "set")
      assert.equal(204, post(each, { remove = keys }).status)
      have(nodes, keys, "loaded")
    end
  end)

  it("is told which node did not confirm, and the others have changed", function()
    local keys = keys_of_all "lost"
    for _, key in ipairs(keys) do
      set(nodes[1], key)
    end
    nodes[3]:kill9()
    local res = post(nodes[1], { remove = keys })
    nodes[3] = nil
    local said = cjson.decode(res.body)
    assert.same({ 502, "PEER", { peers[3] } }, { res.status, said.code, said.missing })
    have(nodes, keys, "loaded")
  end)
end)
