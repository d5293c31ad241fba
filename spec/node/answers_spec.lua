-- SPDX-License-Identifier: MIT

-- A value with headers, a status and times of its own, as a getter gives it in a table: at every
-- node, through single gets, batches, snapshots, changes and values that are handed over.

local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
local function group(name, more)
  local o = { writable = true, hot = "always", ttl = 600, ttl_jitter = 0 }
  for field, value in pairs(more) do o[field] = value end
  return groupcache.group(name, o)
end

local pages = group("pages", { getter = function(key)
  rig.record(key)
  if key:find "^plain" then return "plain" end
  if key:find "^moved" then
    return { status = 301, headers = { location = "/new" }, body = "moved", ttl = 50 }
  elseif key:find "^gone" then
    return { status = 410, body = "gone", content_type = "text/plain" }
  elseif key:find "^missing" then
    return nil, nil, 50
  elseif key:find "^nothing" then
    return { status = 204 }
  elseif key:find "^other" then
    return { status = 203, body = "other" }
  elseif key:find "^brief" then
    return { body = "brief", ttl = 0.05, stale_if_error = 500 }
  elseif key:find "^large" then
    return { body = ("x"):rep(300000), content_type = "text/large" }
  end
  return { body = "<p>" .. key, content_type = "text/html", age = 100, ttl = 50, headers = {
    etag = 'W/"' .. key .. '"', link = { "</a>", "</b>" }, ["cache-control"] = "max-age=9",
    date = "Sun, 06 Nov 1994 08:49:37 GMT", ["X-Count"] = 3 } }
end })

-- What a getter gets from another group.
group("asks", { getter = function(key)
  local what, of = key:match "^(%S+) (.*)$"
  if what == "get" then
    local value, message, code = pages:get(of)
    return table.concat({ tostring(value), tostring(message), tostring(code) }, "|")
  elseif what == "copy" then
    return pages:get(of, { full = true })
  elseif what == "many" then
    local values, errors = pages:get_many { of }
    return (values[of] or "-") .. "|" .. (errors[of] and errors[of].code or "-")
  end
  local page = pages:get(of, { full = true })
  return table.concat({ page.status, page.body, tostring(page.content_type),
    tostring(page.headers.location), type(page.headers.link), page.headers.link
      and page.headers.link[2] or "-", page.age >= 100 and "old" or "new",
    page.ttl and page.ttl > 40 and "long" or "short" }, "|")
end })

group("set", { getter = function(key)
  local ok, message = pages:set(key, { body = "set", content_type = "text/set", ttl = 90 })
  return tostring(ok) .. tostring(message)
end })

group("tables", { codec = "json", getter = function(key)
  return groupcache.value { body = { key = key }, headers = { ["x-a"] = "b" } }
end })

return { workers = 1, http_threads = 1 }
]]

describe("a value with headers of its own", function()
  local r, nodes

  before_each(function()
    r, nodes = rig.new(), {}
  end)

  after_each(function()
    rig.stop_all(nodes)
  end)

  local function start(n, opts)
    local o = { script = r:script(SCRIPT) }
    for name, value in pairs(opts or {}) do
      o[name] = value
    end
    nodes = node.cluster(n, o)
  end

  -- The page in full, at that node.
  local function check_page(n, key, source)
    local res = assert(n:get("pages", key))
    assert.equal(200, res.status)
    assert.equal("<p>" .. key, res.body)
    local h = res.headers
    assert.same({ "text/html", 'W/"' .. key .. '"', "</a>, </b>", "max-age=9", "3",
      "Sun, 06 Nov 1994 08:49:37 GMT" }, { h["content-type"], h.etag, h.link, h["cache-control"],
      h["x-count"], h.date })
    assert.is_true(tonumber(h.age) >= 100 and tonumber(h.age) < 150)
    if source then
      assert.equal(source, h["x-cache"])
    end
  end

  it("is the same for the first client, for the next, and at every node", function()
    start(3)
    for i = 1, 3 do
      local key = rig.key_of(nodes, i, "page")
      for j = 1, 3 do
        check_page(nodes[j], key)
        for _ = 1, 3 do -- from the caches of the node, and from an answer that is kept
          check_page(nodes[j], key, i == j and "main" or "hot")
        end
      end
      assert.equal(1, r:calls()[key])
    end
  end)

  -- Of a result with a ttl of 50 s, in a group with 600.
  local function check_max_age(res)
    local age = tonumber(res.headers["cache-control"]:match "^max%-age=(%d+)$")
    assert.is_true(age <= 50 and age > 10, res.headers["cache-control"])
  end

  it("may be none, for a time of the result's own, at every node", function()
    start(2)
    local keys = { rig.key_of(nodes, 1, "missing"), rig.key_of(nodes, 2, "missing") }
    for _, n in ipairs(nodes) do
      for _ = 1, 2 do
        for _, key in ipairs(keys) do
          local res = assert(n:get("pages", key))
          assert.equal(404, res.status)
          check_max_age(res)
        end
        local list = cjson.decode(assert(n:request { method = "POST", target = "/cache/pages",
          body = cjson.encode(keys) }).body).results
        assert.same({ "NOTFOUND", "NOTFOUND" }, { list[1].code, list[2].code })
      end
    end
    assert.equal(2, r:total())
  end)

  it("has a status that is kept as long as the value, and is given with the body", function()
    start(2)
    for _, n in ipairs(nodes) do
      for i = 1, 2 do
        for _ = 1, 2 do
          local moved = assert(n:get("pages", rig.key_of(nodes, i, "moved")))
          assert.same({ 301, "moved", "/new" }, { moved.status, moved.body,
            moved.headers.location })
          check_max_age(moved)
          local gone = assert(n:get("pages", rig.key_of(nodes, i, "gone")))
          assert.same({ 410, "gone", "text/plain" },
            { gone.status, gone.body, gone.headers["content-type"] })
          local nothing = assert(n:get("pages", rig.key_of(nodes, i, "nothing")))
          assert.same({ 204, "" }, { nothing.status, nothing.body })
          local other = assert(n:get("pages", rig.key_of(nodes, i, "other")))
          assert.same({ 203, "other" }, { other.status, other.body })
        end
      end
    end
    assert.equal(8, r:total())
  end)

  it("is no value, with such a status, for those who ask for bytes alone", function()
    start(2)
    for _, n in ipairs(nodes) do
      for i = 1, 2 do
        local moved, gone = rig.key_of(nodes, i, "moved"), rig.key_of(nodes, i, "gone")
        for _ = 1, 2 do
          assert.equal(("nil|group pages: the answer for this key has the status 301, and is no "
            .. "value|GETTER"), assert(n:get("asks", "get " .. moved)).body)
          assert.equal(("nil|group pages: the answer for this key has the status 410, and is no "
            .. "value|NOTFOUND"), assert(n:get("asks", "get " .. gone)).body)
          assert.equal("-|GETTER", assert(n:get("asks", "many " .. moved)).body)
        end
        local list = cjson.decode(assert(n:request { method = "POST", target = "/cache/pages",
          body = cjson.encode { moved, "plain", gone } }).body).results
        assert.same({ "GETTER", "plain", "NOTFOUND" },
          { list[1].code, list[2].value, list[3].code })
      end
    end
  end)

  it("is a table for a getter that wants all of it", function()
    start(2)
    for _, n in ipairs(nodes) do
      for i = 1, 2 do
        local page, moved = rig.key_of(nodes, i, "page"), rig.key_of(nodes, i, "moved")
        assert.equal("200|<p>" .. page .. "|text/html|nil|table|</b>|old|long",
          assert(n:get("asks", "full " .. page)).body)
        assert.equal("301|moved|nil|/new|nil|-|new|long",
          assert(n:get("asks", "full " .. moved)).body)
        local copy = assert(n:get("asks", "copy " .. page))
        assert.same({ 200, "<p>" .. page, "text/html", "</a>, </b>" },
          { copy.status, copy.body, copy.headers["content-type"], copy.headers.link })
        assert.equal(301, assert(n:get("asks", "copy " .. moved)).status)
      end
    end
  end)

  it("is compared by its own tag, which may be weak", function()
    start(1)
    check_page(nodes[1], "page")
    local function status(name, value, method)
      return assert(nodes[1]:request { method = method, target = "/cache/pages/page",
        headers = { [name] = value } }).status
    end
    assert.equal(304, status("If-None-Match", 'W/"page"'))
    assert.equal(304, status("If-None-Match", '"x", "page"'))
    assert.equal(200, status("If-None-Match", '"x"'))
    assert.equal(412, status("If-Match", '"page"'))
    assert.equal(206, status("Range", "bytes=0-1"))
    local res = assert(nodes[1]:request { target = "/cache/pages/moved",
      headers = { Range = "bytes=0-1", ["If-None-Match"] = "*" } })
    assert.same({ 301, "moved" }, { res.status, res.body })
  end)

  it("comes whole in a large answer", function()
    start(2)
    for i = 1, 2 do
      for _, n in ipairs(nodes) do
        local res = assert(n:get("pages", rig.key_of(nodes, i, "large")))
        assert.same({ 200, 300000, "text/large" },
          { res.status, #res.body, res.headers["content-type"] })
      end
    end
  end)

  it("comes through a batch like any other", function()
    start(2)
    local keys, tasks = {}, {}
    for i = 1, 20 do
      keys[i] = rig.key_of(nodes, 2, "page" .. i)
      tasks[i] = function()
        check_page(nodes[1], keys[i])
      end
    end
    http.together(tasks)
    for i = 1, 20 do
      check_page(nodes[1], keys[i], "hot")
    end
  end)

  it("is stored by a set with a table, at the owner", function()
    start(2)
    for i = 1, 2 do
      local key = rig.key_of(nodes, i, "page")
      check_page(nodes[1], key)
      assert.equal("truenil", assert(nodes[1]:get("set", key)).body)
      for _, n in ipairs(nodes) do
        local res = assert(n:get("pages", key))
        assert.same({ 200, "set", "text/set" }, { res.status, res.body,
          res.headers["content-type"] })
      end
    end
  end)

  it("is encoded by the codec of its group", function()
    start(1)
    for _ = 1, 2 do
      local res = assert(nodes[1]:get("tables", "k"))
      assert.same({ '{"key":"k"}', "b", "application/json" },
        { res.body, res.headers["x-a"], res.headers["content-type"] })
    end
  end)

  it("may be used past its ttl for as long as it says, though its group says nothing", function()
    start(1)
    assert.equal("brief", assert(nodes[1]:get("pages", "brief")).body)
    eventually(function()
      assert(nodes[1]:get("pages", "brief"))
      return r:calls().brief >= 2
    end)
  end)

  it("is there again after a restart with a snapshot", function()
    local path = tmp.dir() .. "/snapshot"
    start(1, { args = { "--snapshot-path", path } })
    check_page(nodes[1], "page")
    assert(nodes[1]:get("pages", "moved"))
    assert(nodes[1]:get("pages", "plain"))
    rig.stop(nodes[1])
    start(1, { args = { "--snapshot-path", path } })
    check_page(nodes[1], "page", "main")
    assert.equal(301, assert(nodes[1]:get("pages", "moved")).status)
    assert.equal("plain", assert(nodes[1]:get("pages", "plain")).body)
    assert.same({ page = 1, moved = 1, plain = 1 }, r:calls())
  end)

  -- The list of each node is a file that its script reads, also at a reload.
  it("is asked of its former owner by a node that joins", function()
    local at, urls, paths = {}, {}, {}
    local dir = tmp.dir()
    for i = 1, 3 do
      at[i] = ports.free()
      urls[i] = "http://127.0.0.1:" .. at[i]
    end
    local function begin(i, members)
      paths[i] = dir .. "/" .. i
      tmp.write(paths[i], rig.list_text(urls, members))
      return node.start { port = at[i], self = urls[i], env = { LIST = paths[i] },
        script = r:script((SCRIPT:gsub("return { workers",
          "return { peers = dofile(os.getenv \"LIST\"), workers"))) }
    end
    for i = 1, 2 do
      nodes[i] = begin(i, { 1, 2 })
    end
    local keys, moved = {}, {}
    for i = 1, 5 do
      keys[i] = rig.owned_by(urls, urls[3], "page" .. i)
      moved[i] = rig.owned_by(urls, urls[3], "moved" .. i)
      check_page(nodes[1], keys[i])
      assert.equal(301, assert(nodes[1]:get("pages", moved[i])).status)
    end
    for i = 1, 2 do
      tmp.write(paths[i], rig.list_text(urls, { 1, 2, 3 }))
      nodes[i]:signal "SIGHUP"
      rig.wait(nodes[i], function() return nodes[i]:logged "reloaded" end)
    end
    nodes[3] = begin(3, { 1, 2, 3 })
    for i = 1, 5 do
      check_page(nodes[3], keys[i])
      local res = assert(nodes[3]:get("pages", moved[i]))
      assert.same({ 301, "moved", "/new" }, { res.status, res.body, res.headers.location })
      assert.same({ 1, 1 }, { r:calls()[keys[i]], r:calls()[moved[i]] })
    end
  end)

  it("is handed over by a node that stops", function()
    start(2)
    local keys = {}
    for i = 1, 5 do
      keys[i] = rig.key_of(nodes, 1, "page" .. i)
      check_page(nodes[1], keys[i])
    end
    rig.stop(nodes[1])
    for _, key in ipairs(keys) do
      check_page(nodes[2], key)
      assert.equal(1, r:calls()[key])
    end
    table.remove(nodes, 1)
  end)
end)
