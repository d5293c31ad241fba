-- SPDX-License-Identifier: MIT

-- examples/npm.lua before a registry made of files, which nginx serves.

local cjson = require "cjson"
local eventually = require "support.eventually"
local nginx = require "support.nginx"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SELF = "http://mirror.example:8080/cache/npm"

local function package_of(name, at, version)
  local text = cjson.encode { name = name, ["dist-tags"] = { latest = version },
    versions = { [version] = { name = name, version = version,
      dist = { tarball = ("%s/%s/-/left-%s.tgz"):format(at, name, version) } } } }
  return (text:gsub("\\/", "/")) -- npm's registry escapes no slash
end

describe("examples/npm.lua", function()
  local root, registry, n

  before_each(function()
    root = tmp.dir() .. "/"
    -- A registry knows its own address: here nginx writes it.
    registry = nginx.start { root = root, config = [[
      location ~ ^/npm/[^/]*$ {
        default_type application/json;
        try_files $uri/package.json =404;
        sub_filter_once off; sub_filter_types application/json;
      }
      location ~ ^/npm/(?<scope>@[^/]+)/(?<rest>[^/]+)$ {
        default_type application/json;
        try_files /npm/$scope/$rest/package.json =404;
      }
    ]] }
    for _, name in ipairs { "left", "@scope/left" } do
      tmp.write(root .. "npm/" .. name .. "/package.json",
        package_of(name, registry.url .. "/npm", "1.0.0"))
      tmp.write(root .. "npm/" .. name .. "/-/left-1.0.0.tgz", "an archive of " .. name .. "\0")
    end
    n = node.start { script = "examples/npm.lua", env = { REGISTRY = registry.url .. "/npm/",
      SELF = SELF } }
  end)

  after_each(function()
    rig.stop(n)
    registry:stop()
  end)

  -- As npm asks: the slash of a scope is escaped, that of an archive is not.
  local function get(path)
    return assert(n:request { target = "/cache/npm/" .. path })
  end

  it("leads to its own archives", function()
    for name, path in pairs { left = "left", ["@scope/left"] = "@scope%2fleft" } do
      local res = get(path)
      assert.equal("application/json", res.headers["content-type"])
      local url = cjson.decode(res.body).versions["1.0.0"].dist.tarball
      assert.equal(SELF .. "/" .. name .. "/-/left-1.0.0.tgz", url)
      for _ = 1, 2 do
        local archive = get(name .. "/-/left-1.0.0.tgz")
        assert.same({ 200, "an archive of " .. name .. "\0", "application/octet-stream" },
          { archive.status, archive.body, archive.headers["content-type"] })
      end
    end
    assert.equal(4, #registry:requests(4))
  end)

  it("asks only whether a package has changed, once five minutes have passed", function()
    local text, changes = tmp.read "examples/npm.lua":gsub("%f[%d]300%f[%D]", "0.05")
    assert.equal(2, changes) -- of a package, and of one that is the same
    rig.stop(n)
    n = node.start { script = tmp.file(text, "npm.lua"), env = { REGISTRY = registry.url .. "/npm/",
      SELF = SELF } }
    local first = get "left"
    eventually(function()
      assert.equal(first.body, get("left").body)
      return #registry:requests() >= 3
    end)
    for i, request in ipairs(registry:requests()) do
      assert.same({ method = "GET", uri = "/npm/left", status = i == 1 and 200 or 304 }, request)
    end
    tmp.write(root .. "npm/left/package.json",
      package_of("left", registry.url .. "/npm", "2.0.0-b"))
    eventually(function()
      return get("left").body:find("2.0.0-b", 1, true) ~= nil
    end)
  end)

  it("has what it had while the registry is down, and says what is not there", function()
    assert.equal(404, get("right").status)
    assert.equal(404, get("left/-/left-9.0.0.tgz").status)
    assert.equal(404, get("left/%2e%2e/secret").status)
    local before = get("left").body
    get "left/-/left-1.0.0.tgz"
    registry:stop()
    assert.equal(before, get("left").body)
    assert.equal("an archive of left\0", get("left/-/left-1.0.0.tgz").body)
    assert.equal(502, get("@scope%2fleft").status)
  end)
end)
