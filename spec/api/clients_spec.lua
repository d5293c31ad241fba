-- SPDX-License-Identifier: MIT

-- docs/clients.md: each program on it runs against a node with the page's script, and prints what
-- the page says.

local http = require "support.http"
local nginx = require "support.nginx"
local node = require "support.node"
local pages = require "support.pages"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local PAGE = "docs/clients.md"
local DIRECT = { http_proxy = false, HTTP_PROXY = false } -- a proxy does not know loopback

local LANGUAGES = {
  sh = { "sh" },
  python = { "python3" },
  php = { "php" },
  go = { "go", "run", env = { GO111MODULE = "off", GOFLAGS = "" } },
}

local function is_missing(program)
  return process.run({ "sh", "-c", "command -v " .. program }).code ~= 0
end

local function lines_of(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    list[#list + 1] = line
  end
  return list
end

local function start()
  return node.start { script = pages.named(PAGE, "lua") }
end

describe("docs/clients.md", function()
  for language, how in pairs(LANGUAGES) do
    it("has a program of " .. language .. " that prints what the page says", function()
      if is_missing(how[1]) then
        return pending(how[1] .. " is not installed: the program on the page was not run")
      end
      local text, name = pages.named(PAGE, language)
      local n, dir = start(), tmp.dir()
      tmp.write(dir .. "/" .. name, (text:gsub("%f[%d][89]080%f[%D]", n.port)))
      local words = { timeout = 120, cwd = dir, env = {} }
      for _, from in ipairs { DIRECT, how.env or {} } do
        for variable, value in pairs(from) do
          words.env[variable] = value
        end
      end
      for i, word in ipairs(how) do
        words[i] = word
      end
      words[#words + 1] = name
      local out = process.run(words)
      assert.equal(0, out.code, out.stderr)
      local said = pages.said(text)
      assert.is_true(#said >= 4)
      assert.same(said, lines_of(out.stdout))
      rig.stop(n)
    end)
  end

  it("has a configuration of nginx that leaves out a node that is gone", function()
    local nodes = { start(), start() }
    local front = ports.free()
    local config = pages.named(PAGE, "nginx"):gsub(":8080", ":" .. nodes[1].port)
      :gsub(":8081", ":" .. nodes[2].port):gsub(":8000", ":" .. front)
    local proxy = nginx.start { http = config }
    local function ask(opts)
      opts.port, opts.timeout = front, 10
      return assert(http.request(opts))
    end
    for _ = 1, 4 do
      assert.equal("page a/b", ask({ target = "/cache/pages/a%2Fb" }).body)
    end
    for i, n in ipairs(nodes) do
      assert.is_true(n:stats().groups.pages.gets > 0, "node " .. i .. " was not asked")
    end
    assert.equal(404, ask({ target = "/cache/pages/absent" }).status)
    assert.equal("page a/b", assert(nodes[1]:get("pages", "a/b")).body)
    assert.equal(200, ask({ target = "/cache/pages/a%2Fb", method = "HEAD" }).status)
    for _, opts in ipairs { { target = "/cache/pages/x", method = "DELETE" },
      { target = "/cache/pages", method = "POST", body = '{"remove":["a/b"]}' } } do
      assert.equal(403, ask(opts).status)
    end
    for _, target in ipairs { "/stats", "/_groupcache/pages/x", "/readyz" } do
      assert.equal(404, ask({ target = target }).status, target)
    end
    nodes[1]:kill9()
    for i = 1, 10 do
      assert.equal("page " .. i, ask({ target = "/cache/pages/" .. i }).body)
    end
    proxy:stop()
    rig.stop(nodes[2])
  end)
end)
