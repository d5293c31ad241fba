-- SPDX-License-Identifier: MIT

-- A large body of an origin becomes a value without a copy: http's as_value.

local nginx = require "support.nginx"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

local MB = 1024 * 1024
local SIZE = 50 * MB

local SCRIPT = [[
local groupcache = require "groupcache"
local http = require "groupcache.http"
local ORIGIN = os.getenv "ORIGIN"
local kept

local function get(key, more)
  local res, err, code = http.get(ORIGIN .. "/" .. key, more or { as_value = true })
  if not res then error(code .. ": " .. err) end
  if res.status ~= 200 then return nil end
  return res.body
end

local LARGE = { cache_bytes = "1GB", max_value_bytes = "64MB", timeout = 60 }
local function group(name, getter)
  local o = { getter = getter }
  for k, v in pairs(LARGE) do o[k] = v end
  groupcache.group(name, o)
end

group("large", function(key) return get(key) end)
group("tagged", function(key)
  return { body = get(key), content_type = "text/x", tags = { "a" } }
end)
group("parts", function(key)
  local b = get(key)
  return table.concat({ #b, b:sub(1, 3), b:sub(-3), b:sub(5, 4), b:sub(100), #tostring(b),
    type(b) }, "|")
end)
group("twice", function(key)
  kept = kept or get(key)
  return kept
end)
group("used", function() return select(2, pcall(function() return #kept end)) end)
groupcache.group("json", { codec = "json", getter = function(key) return get(key) end })
groupcache.group("small", { max_value_bytes = 10, getter = function(key)
  return get(key, { as_value = true, max_bytes = 1000 })
end })
]]

describe("a body that is to be a value", function()
  local it_measures = (os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP") and pending or it
  local origin, n

  setup(function()
    local root, parts = tmp.dir() .. "/", {}
    for i = 1, SIZE / 1024 do
      parts[i] = ("%08d"):format(i):rep(128)
    end
    tmp.write(root .. "large", table.concat(parts))
    tmp.write(root .. "chunked/large", table.concat(parts))
    tmp.write(root .. "small", "0123456789abc")
    tmp.write(root .. "empty", "")
    origin = nginx.start { root = root, config = [[
      location /chunked/ { sub_filter_types *; sub_filter nothing-like-this x; }
    ]] }
    n = node.start { script = SCRIPT, env = { ORIGIN = origin.url }, args = { "--workers", 1 } }
  end)

  teardown(function()
    rig.stop(n)
    origin:stop()
  end)

  -- The most memory that the process has had, and the memory that it has.
  local function memory()
    local text = tmp.read(("/proc/%d/status"):format(n.process.pid))
    return text:match "VmHWM:%s*(%d+) kB" * 1024, text:match "VmRSS:%s*(%d+) kB" * 1024
  end

  local function costs(group, key)
    tmp.write(("/proc/%d/clear_refs"):format(n.process.pid), "5") -- the most begins anew
    local _, before = memory()
    local res = assert(n:get(group, key, { timeout = 60 }))
    assert.equal(200, res.status, res.body:sub(1, 200))
    assert.equal(SIZE, #res.body)
    assert.equal(("%08d"):format(SIZE / 1024):rep(128), res.body:sub(-1024))
    return (memory() - before) / SIZE, res
  end

  it_measures("costs little more than its size", function()
    assert.equal(200, n:get("large", "small").status) -- what the first load of all costs
    local share = costs("large", "large")
    assert.is_true(share <= 1.3, share)
    share = costs("large", "chunked/large")
    assert.is_true(share <= 1.3, share)
    local res
    share, res = costs("tagged", "large")
    assert.is_true(share <= 1.3, share)
    assert.equal("text/x", res.headers["content-type"])
    for group, key in pairs { large = "large", tagged = "large" } do
      assert.equal("main", n:get(group, key, { timeout = 60 }).headers["x-cache"])
    end
  end)

  it("is read in parts, or whole", function()
    assert.equal("13|012|abc|||13|userdata", n:get("parts", "small").body)
    assert.equal("", n:get("large", "empty").body)
    assert.equal(404, n:get("large", "none").status)
  end)

  it("is a value once, of groups without a codec, within their bounds", function()
    assert.equal("0123456789abc", n:get("twice", "small").body)
    local res = n:get("twice", "empty")
    assert.same({ 502, true }, { res.status, res.body:find "returned a body a second time" ~= nil })
    assert.matches("is the value of a key now", n:get("used", "x").body)
    assert.equal(502, n:get("json", "small").status)
    res = n:get("small", "small")
    assert.equal(413, res.status)
    assert.matches("the value has 13 bytes, max_value_bytes is 10", res.body)
  end)
end)
