-- SPDX-License-Identifier: MIT

-- Every block of README.md and docs/: it is run, or the table at the end says why not. The Lua of
-- README.md and docs/getters.md runs in docs_spec, the programs of docs/clients.md in clients_spec,
-- the setups of docs/recipes.md in spec/sources/recipes_spec.

local cjson = require "cjson.safe"
local lfs = require "lfs"
local node = require "support.node"
local pages = require "support.pages"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local BIN = node.binary:sub(1, 1) == "/" and node.binary
  or lfs.currentdir() .. "/" .. node.binary

-- Runs a text in bash, with this build's groupcached and no proxy. -> stdout
local function shell(text, opts)
  opts = opts or {}
  local r = process.run { "bash", "-euc", text, cwd = opts.cwd, timeout = opts.timeout or 60,
    env = { PATH = BIN:match "(.*)/" .. ":" .. os.getenv "PATH", http_proxy = false,
      HTTP_PROXY = false, MAKEFLAGS = false, MFLAGS = false, MAKELEVEL = false } }
  assert.equal(0, r.code, text .. "\n" .. r.stderr)
  return r.stdout
end

local function each_line(text, fn)
  for line in text:gsub("\\\n%s*", ""):gmatch "[^\n]+" do
    fn(line, line:match "^(.-)%s+#" or line, line:match "#%s*(.*)$")
  end
end

local function quickstart(opts)
  opts = opts or {}
  local root = tmp.dir() .. "/"
  for _, name in ipairs { "GPL-2", "GPL-3", "a", "b" } do
    tmp.write(root .. name, name .. "\n")
  end
  opts.script, opts.env = "examples/quickstart.lua", { QUICKSTART_ROOT = root }
  return opts.count and node.cluster(opts.count, opts) or node.start(opts)
end

local function at_node(text, n)
  return (text:gsub("%f[%d][89]080%f[%D]", n.port))
end

-- Commands that start nodes, each on an address of its own: they run until all are ready.
local function nodes_of(block, script)
  local dir, chosen, running = tmp.dir(), {}, {}
  tmp.write(dir .. "/node.lua", script)
  local text = block.text:gsub("10%.0%.0%.(%d)", "127.0.0.%1"):gsub("%f[%d](808%d)", function(port)
    chosen[port] = chosen[port] or ports.free()
    return tostring(chosen[port])
  end)
  each_line(text, function(line)
    local words = { cwd = dir, stderr = dir .. "/log-" .. #running, stdout = dir .. "/out" }
    for word in line:gmatch "%S+" do
      words[#words + 1] = #words == 0 and BIN or word
    end
    words[#words + 1] = "--admin-listen"
    words[#words + 1] = "127.0.0.1:" .. ports.free()
    local log = words.stderr
    running[#running + 1] = { process = process.spawn(words), log = log }
  end)
  for _, each in ipairs(running) do
    each.process:comes_up("the node of " .. block.page, 15, function()
      return tmp.read(each.log):find('msg="ready"', 1, true)
    end, each.log)
  end
  for _, each in ipairs(running) do
    assert.equal(0, (each.process:stop(15, 10)))
  end
end

local PAGES = 'require("groupcache").group("pages", { getter = function(k) return k end })'

local ways = {}

-- Targets and variables that the Makefile has.
function ways.make(block)
  each_line(block.text, function(_, command)
    if command:find "make " then
      shell((command:gsub("%f[%w]make ", "make -n ")))
    end
  end)
end

function ways.commands_have_help(block)
  local n = 0
  each_line(block.text, function(line)
    local name = line:match "^groupcached (%l[%l-]+)"
    if name and name ~= "help" and name ~= "version" then
      n = n + 1
      assert.truthy(shell("groupcached help " .. name):find("groupcached " .. name, 1, true), name)
    end
  end)
  assert.is_true(n >= 1)
end

function ways.answers_say(block)
  local n = quickstart()
  each_line(block.text, function(_, command, says)
    local out = shell(at_node(command, n))
    local wanted = says:match "^X%-Cache: %l+" or says:match "^%d%d%d$"
    assert.truthy(not wanted or out:find(wanted, 1, true), command .. " says\n" .. out)
    assert.is_true(#out > 0)
  end)
  rig.stop(n)
end

function ways.one_of_three_reads(block)
  local nodes = quickstart { count = 3 }
  local text = block.text
  for i, n in ipairs(nodes) do
    text = text:gsub("808" .. i - 1, n.port)
  end
  local out = shell(text)
  local _, lines = out:gsub("X%-Cache: %l+", "")
  local _, reads = out:gsub("X%-Cache: local", "")
  assert.equal(3, lines)
  assert.is_true(reads <= 1) -- 0: the first node that was asked is not the owner
  rig.stop_all(nodes)
end

function ways.starts_nodes(block)
  nodes_of(block, PAGES)
end

function ways.bash_reads(block)
  shell((block.text:gsub("man %-l %-", "grep -q '^.TH'")))
end

function ways.compiles(block)
  assert.truthy(loadstring(block.text) or loadstring("local _ = function(...) " .. block.text
    .. " end"), block.text)
end

function ways.is_json(block)
  assert.truthy(cjson.decode(block.text), block.text)
end

function ways.gets_a_list(block)
  local n = quickstart()
  local got = cjson.decode(shell(at_node(block.text:gsub("^%$ ", ""):gsub("^curl", "curl -s"), n)))
  assert.same({ "a", "b", "c" },
    { got.results[1].key, got.results[2].key, got.results[3].key })
  assert.same({ "a\n", "b\n", "NOTFOUND" },
    { got.results[1].value, got.results[2].value, got.results[3].code })
  rig.stop(n)
end

function ways.makes_certificates(block)
  local dir = tmp.dir()
  shell(block.text, { cwd = dir })
  assert.equal("a.pem: OK\n", shell("openssl verify -CAfile ca.pem a.pem", { cwd = dir }))
  local n = node.start { script = PAGES .. "\n",
    tls = { cert = dir .. "/a.pem", key = dir .. "/a.key", ca = dir .. "/ca.pem" } }
  rig.stop(n)
end

-- What the image is given: spec/image/engine.sh starts one so.
function ways.runs_an_image(block)
  local dir = tmp.dir()
  tmp.write(dir .. "/node.lua", PAGES .. " return { listen = '127.0.0.1:8080' }")
  local mounted, words = block.text:match "%-v $PWD/node%.lua:(%S+):ro groupcache%s*\\?%s*(.-)\n"
  assert.truthy(mounted, block.text)
  shell("groupcached check " .. words:gsub(mounted, "node.lua"), { cwd = dir })
end

-- A script that cannot find its source of peers here is still one that would start.
function ways.is_a_script(block)
  local dir = tmp.dir()
  tmp.write(dir .. "/node.lua", block.text)
  shell("groupcached check node.lua --listen 127.0.0.1:0 --self http://127.0.0.1:8080",
    { cwd = dir })
end

-- How a block is run: by its page and the beginning of its first line.
local RUN = {
  ["README.md"] = {
    ["make run"] = "make",
    ["curl -i http"] = "answers_say",
    ["for port in"] = "one_of_three_reads",
    ["docker load"] = "runs_an_image",
    ["groupcached node.lua"] = "starts_nodes",
  },
  ["docs/api.md"] = {
    ["groupcached run-getter"] = "commands_have_help",
    ["groupcached SCRIPT.lua"] = "commands_have_help",
    ["source <("] = "bash_reads",
    ["local "] = "compiles",
    ["groupcache."] = "compiles",
    ['{"'] = "is_json",
    ["$ curl -d"] = "gets_a_list",
  },
  ["docs/cluster.md"] = {
    ["groupcached node.lua --listen 127"] = "starts_nodes",
    ["local groupcache"] = "is_a_script",
  },
  ["docs/debugging.md"] = { ["make SAN"] = "make" },
  ["docs/http-cache.md"] = { ["local groupcache"] = "is_a_script" },
  ["docs/performance.md"] = { ["make "] = "make" },
  ["docs/security.md"] = { ["openssl req"] = "makes_certificates" },
}

-- Pages and languages that other specs run.
local ELSEWHERE = {
  ["README.md"] = { lua = "docs_spec" },
  ["docs/getters.md"] = { lua = "docs_spec" },
  ["docs/recipes.md"] = { lua = "recipes_spec", sh = "recipes_spec" },
  ["docs/clients.md"] = { lua = "clients_spec", sh = "clients_spec", python = "clients_spec",
    go = "clients_spec", php = "clients_spec", nginx = "clients_spec" },
}

local PICTURE, OUTPUT = "a picture", "what a program prints"
local GAPS = "settings with gaps, for the reader to fill in"

-- What cannot be run, and why. This table may only get shorter.
local NOT_RUN = {
  { "README.md", "apt-get update", "it changes the machine" },
  { "README.md", "   clients", PICTURE },
  { "docs/api.md", "X-Groupcache-Auth:", "the form of a header; spec/unit/sign_spec has it" },
  { "docs/api.md", "time=", OUTPUT },
  { "docs/api.md", "127.0.0.1 - - [", OUTPUT },
  { "docs/architecture.md", " request ", PICTURE },
  { "docs/architecture.md", "workers.mu", PICTURE },
  { "docs/cluster.md", "--peers file:", "flags alone; spec/discover has each source" },
  { "docs/cluster.md", "groupcached node.lua --listen 0.0.0.0:8080 --peers etcd",
    "hosts that do not exist; spec/discover/etcd_spec has real ones" },
  { "docs/cluster.md", "groupcached node.lua --listen 0.0.0.0:8080 --peers consul",
    "Debian has no Consul; spec/discover/consul_spec has a stand-in" },
  { "docs/cluster.md", "[Socket]", "a part of a unit; spec/cli/service_spec has whole ones" },
  { "docs/cluster.md", "[Service]", "a part of a unit; spec/cli/service_spec has whole ones" },
  { "docs/debugging.md", "time=", OUTPUT },
  { "docs/debugging.md", "top -H", "it needs perf, and a process to look at" },
  { "docs/debugging.md", "gdb -x", "spec/cli/gdb_spec attaches" },
  { "docs/debugging.md", "(gdb) groupcache", OUTPUT },
  { "docs/debugging.md", "ulimit -c", "cores of the machine are not the specs' business" },
  { "docs/design/locks.md", "workers.mu", PICTURE },
  { "docs/design/peers.md", "the owner fails", PICTURE },
  { "docs/production.md", "client > load balancer", PICTURE },
  { "docs/security.md", "return {", GAPS },
  { "docs/security.md", "groupcache.group(", GAPS },
  { "docs/security.md", "head -c 32", "it writes to /etc" },
}
local NOT_RUN_MOST = 23

local function begins(text, with)
  return text:sub(1, #with) == with
end

-- The longest beginning in a list that a first line has.
local function find(list, first)
  local best
  for with in pairs(list or {}) do
    if begins(first, with) and (not best or #with > #best) then
      best = with
    end
  end
  return best
end

local function reason(block)
  for i, row in ipairs(NOT_RUN) do
    if row[1] == block.page and begins(block.first, row[2]) then
      return i
    end
  end
end

describe("the pages", function()
  local used = {}

  for _, page in ipairs(pages.all()) do
    for _, block in ipairs(pages.blocks(page)) do
      local with = find(RUN[page], block.first)
      if with then
        it(("%s, line %d: %s"):format(page, block.line, block.first), function()
          ways[RUN[page][with]](block)
        end)
        used[page .. with] = true
      end
    end
  end

  it("have no link that leads nowhere", function()
    local bad = {}
    for _, page in ipairs(pages.all()) do
      for _, link in ipairs(pages.links(page)) do
        local there = lfs.attributes(link.path, "mode")
        if not there or link.anchor and not pages.anchors(link.path)[link.anchor] then
          bad[#bad + 1] = page .. ": " .. link.text
        end
      end
    end
    assert.same({}, bad)
  end)

  it("have no block that is neither run nor excused", function()
    local bad = {}
    for _, page in ipairs(pages.all()) do
      for _, block in ipairs(pages.blocks(page)) do
        local elsewhere = block.language ~= "" and (ELSEWHERE[page] or {})[block.language]
        if not (find(RUN[page], block.first) or elsewhere or reason(block)) then
          bad[#bad + 1] = ("%s:%d: %s"):format(page, block.line, block.first)
        end
      end
    end
    assert.same({}, bad)
  end)

  it("need every line of the tables here", function()
    local needed, unused = {}, {}
    for _, page in ipairs(pages.all()) do
      for _, block in ipairs(pages.blocks(page)) do
        needed[reason(block) or 0] = true
      end
    end
    for i, row in ipairs(NOT_RUN) do
      unused[#unused + 1] = not needed[i] and row[1] .. ": " .. row[2] or nil
    end
    for page, list in pairs(RUN) do
      for with in pairs(list) do
        unused[#unused + 1] = not used[page .. with] and page .. ": " .. with or nil
      end
    end
    assert.same({}, unused)
    assert.equal(NOT_RUN_MOST, #NOT_RUN)
  end)
end)
