-- SPDX-License-Identifier: MIT

-- Values that are kept compressed: clients that take the form get it, all others get the value.

local http = require "support.http"
local node = require "support.node"
local process = require "support.process"
local program = require "api.program"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
local function text(key)
  return (("the value of " .. key .. ", again and again. "):rep(2000))
end
local pages = groupcache.group("pages", { compress = "CODING", hot = "always", writable = true,
  keep_old = 60, ttl = 0.05, stale_while_revalidate = 0, stale_if_error = 0, ttl_jitter = 0,
  getter = function(key, ctx)
    rig.record(key)
    if ctx.old and key:find "^old" then
      assert(ctx.old.value == text(key))
      return groupcache.same, nil, 600
    elseif key:find "^small" then
      return "small", nil, 600
    elseif key:find "^random" then
      local out = {}
      for i = 1, 20000 do out[i] = string.char(math.random(0, 255)) end
      return table.concat(out), nil, 600
    elseif key:find "^own" then
      return { body = text(key), ttl = 600, headers = { etag = '"mine"', vary = "x-a" } }
    elseif key:find "^weak" then
      return { body = text(key), ttl = 600, headers = { etag = 'W/"mine"' } }
    elseif key:find "^as%-it%-is" then
      return { body = text(key), ttl = 600, headers = { ["cache-control"] = "No-Transform" } }
    elseif key:find "^encoded" then
      return { body = text(key), ttl = 600, headers = { ["content-encoding"] = "br" } }
    elseif key:find "^gone" then
      return { body = text(key), ttl = 600, status = 410 }
    end
    return text(key), nil, not key:find "^old" and 600 or nil
  end })
groupcache.group("asks", { getter = function(key)
  local what, of = key:match "^(%S+) (.*)$"
  if what == "get" then
    return (assert(pages:get(of)))
  elseif what == "again" then
    assert(pages:get(of))
    return (assert(pages:get(of)))
  elseif what == "peek" then
    assert(pages:get(of))
    return (assert(pages:peek(of)))
  elseif what == "many" then
    return (assert(pages:get_many { of }[of]))
  elseif what == "full" then
    return (assert(pages:get(of, { full = true })).body)
  end
  assert(pages:set(of, text "set", 600))
  return "set"
end, ttl = 600 })
return { workers = 1, http_threads = 1 }
]]

local TOOLS = { gzip = { "gzip", "-dc" }, zstd = { "zstd", "-dcq" } }

local function text(key)
  return (("the value of " .. key .. ", again and again. "):rep(2000))
end

for _, coding in ipairs { "gzip", "zstd" } do
  describe('compress = "' .. coding .. '"', function()
    local r, nodes

    before_each(function()
      r, nodes = rig.new(), {}
    end)

    after_each(function()
      rig.stop_all(nodes)
    end)

    local function start(n)
      nodes = node.cluster(n, { script = r:script((SCRIPT:gsub("CODING", coding))) })
    end

    local function get(i, key, headers, group)
      return assert(http.get(nodes[i].url .. "/cache/" .. (group or "pages") .. "/"
        .. http.escape(key), { headers = headers }))
    end

    local function unpacked(bytes)
      local file = tmp.file(bytes, "form")
      local argv = { TOOLS[coding][1], TOOLS[coding][2] }
      local done = process.run { "sh", "-c", table.concat(argv, " ") .. " < " .. file }
      assert.equal(0, done.code, done.stderr)
      return done.stdout
    end

    local function check_packed(res, key)
      assert.same({ 200, coding }, { res.status, res.headers["content-encoding"] })
      assert.is_true(#res.body < 5000)
      assert.equal(text(key), unpacked(res.body))
    end

    local function check_plain(res, key)
      assert.same({ 200, nil }, { res.status, res.headers["content-encoding"] })
      assert.equal(text(key), res.body)
    end

    it("gives a client the form that it takes", function()
      start(1)
      local packed = get(1, "a", { ["Accept-Encoding"] = "br;q=1, " .. coding .. ";q=0.5" })
      check_packed(packed, "a")
      assert.equal("Accept-Encoding", packed.headers.vary)
      assert.is_nil(packed.headers["accept-ranges"])
      check_packed(get(1, "a", { ["Accept-Encoding"] = "*" }), "a")
      for _, list in ipairs { "", "br", coding .. ";q=0", coding .. ";q=0.1, identity;q=0.2",
          "*;q=0" } do
        local plain = get(1, "a", { ["Accept-Encoding"] = list })
        check_plain(plain, "a")
        assert.same({ "Accept-Encoding", "bytes" },
          { plain.headers.vary, plain.headers["accept-ranges"] })
        assert.not_equal(packed.headers.etag, plain.headers.etag)
      end
      assert.is_true(nodes[1]:stats().groups.pages.main.bytes < 20000)
      assert.same({ a = 1 }, r:calls())
    end)

    it("has a tag of each form, and gives parts of the value", function()
      start(1)
      local takes = { ["Accept-Encoding"] = coding }
      local tag, plain_tag = get(1, "a", takes).headers.etag, get(1, "a").headers.etag
      local function conditional(list, with, more)
        local headers = { ["If-None-Match"] = list, ["Accept-Encoding"] = with and coding or nil }
        for name, value in pairs(more or {}) do headers[name] = value end
        return get(1, "a", headers).status
      end
      assert.same({ 304, 200, 304, 200 }, { conditional(tag, true), conditional(tag, false),
        conditional(plain_tag, false), conditional(plain_tag, true) })
      local part = get(1, "a", { Range = "bytes=4-8", ["Accept-Encoding"] = coding })
      assert.same({ 206, "value", nil },
        { part.status, part.body, part.headers["content-encoding"] })
      assert.equal(('"mine-%s"'):format(coding), get(1, "own", takes).headers.etag)
      assert.equal("x-a, Accept-Encoding", get(1, "own", takes).headers.vary)
      assert.equal('"mine"', get(1, "own").headers.etag)
      assert.equal('W/"mine"', get(1, "weak", takes).headers.etag)
    end)

    it("keeps as they are small values, what does not shrink, and what says so", function()
      start(1)
      for _, key in ipairs { "small", "random", "as-it-is", "encoded" } do
        local res = get(1, key, { ["Accept-Encoding"] = coding })
        assert.not_equal(coding, res.headers["content-encoding"], key)
      end
      local gone = get(1, "gone", { ["Accept-Encoding"] = coding })
      assert.same({ 410, coding }, { gone.status, gone.headers["content-encoding"] })
      assert.equal(text "gone", unpacked(gone.body))
      assert.equal(text "gone", get(1, "gone").body)
    end)

    it("gives getters, lists and ctx.old the value", function()
      start(1)
      for _, what in ipairs { "get", "again", "peek", "many", "full" } do
        assert.equal(text(what), get(1, what .. " " .. what, nil, "asks").body)
      end
      local res = assert(nodes[1]:request { method = "POST", target = "/cache/pages",
        body = '["listed"]' })
      assert.truthy(res.body:find(text "listed", 1, true))
      check_plain(get(1, "old"), "old")
      assert.equal("set", get(1, "set set", nil, "asks").body)
      check_packed(get(1, "set", { ["Accept-Encoding"] = coding }), "set")
    end)

    it("travels between our nodes as it is, and to others as the value", function()
      start(2)
      local key = rig.key_of(nodes, 1, "k")
      check_packed(get(2, key, { ["Accept-Encoding"] = coding }), key)
      check_plain(get(2, key), key)
      check_packed(get(1, key, { ["Accept-Encoding"] = coding }), key)
      assert.same({ [key] = 1 }, r:calls())
      local theirs = assert(http.get(nodes[1].url .. "/_groupcache/pages/" .. http.escape(key)))
      assert.truthy(theirs.body:find(text(key), 1, true))
      local list = get(2, "many " .. key, nil, "asks")
      assert.equal(text(key), list.body)
    end)
  end)
end

describe("compress", function()
  it("is for groups of a node that are no HTTP caches", function()
    program.says("true\n", [[
      local _, err = pcall(groupcache.group, "t", { getter = print, compress = "gzip" })
      say(err:find 'compress is "gzip": only groups of a node' ~= nil)
    ]])
  end)
end)
