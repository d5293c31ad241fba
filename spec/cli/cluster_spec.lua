-- SPDX-License-Identifier: MIT

-- groupcached's commands about a whole cluster: explain, doctor and top.

local cjson = require "cjson"
local eventually = require "support.eventually"
local lfs = require "lfs"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { ttl = 60, hot = "always", getter = function(key) return "v:" .. key end })
]]

local function run(...)
  return process.run { node.binary, timeout = 60, ... }
end

describe("groupcached explain", function()
  it("says whose a key is and where it is held, and has the same as JSON", function()
    local nodes = node.cluster(3, { script = SCRIPT })
    local key, owner
    for i = 1, 100 do
      key = "k" .. i
      if cjson.decode(nodes[1]:request({ target = "/explain/g/" .. key }).body).owner
        == nodes[2].url then
        owner = nodes[2]
        break
      end
    end
    nodes[1]:get("g", key)
    local text = run("explain", "g", key, "--node", nodes[1].url)
    local said = cjson.decode(run("explain", "g", key, "--json", "--node", nodes[3].url).stdout)
    nodes[2]:kill9()
    local without = run("explain", "g", key, "--node", nodes[1].url)
    rig.stop(nodes[1])
    rig.stop(nodes[3])
    assert.equal(0, text.code)
    assert.matches("^owner: " .. owner.url .. "\n", text.stdout)
    assert.matches(nodes[1].url .. "  held: hot: a copy, %d+ bytes, age %d+ s, expires in",
      text.stdout)
    assert.matches(owner.url .. " (owner)  held: main, ", text.stdout, 1, true)
    assert.matches(nodes[3].url .. "  held: no\n", text.stdout, 1, true)
    assert.same({ owner.url }, said.owners)
    assert.equal(3, #said.nodes)
    assert.equal(1, without.code)
    assert.matches("no answer: ", without.stdout, 1, true)
  end)
end)

describe("groupcached doctor", function()
  local function levels(out)
    local seen = {}
    for line in out.stdout:gmatch "[^\n]+" do
      local level, check = line:match "^(%l+) +(%l+) "
      seen[check] = seen[check] == "fail" and "fail" or level
    end
    return seen
  end

  it("finds nothing in a cluster that is fine, and says what it has looked at", function()
    local nodes = node.cluster(3, { script = SCRIPT })
    local out = run("doctor", "--node", nodes[1].url)
    local json = run("doctor", "--json", "--node", nodes[2].url)
    for _, n in ipairs(nodes) do
      rig.stop(n)
    end
    assert.equal(0, out.code, out.stdout .. out.stderr)
    assert.same({ reached = "ok", lists = "ok", version = "ok", groups = "ok", ring = "ok",
      clocks = "ok", settings = "ok" }, levels(out))
    for line in json.stdout:gmatch "[^\n]+" do
      assert.equal("ok", cjson.decode(line).level)
    end
  end)

  it("finds a node that is down, and who sends it no loads", function()
    local nodes = node.cluster(3, { script = SCRIPT })
    nodes[3]:kill9()
    for i = 1, 40 do
      nodes[1]:get("g", "k" .. i)
    end
    local out = run("doctor", "--node", nodes[1].url)
    rig.stop(nodes[1])
    rig.stop(nodes[2])
    assert.equal(1, out.code)
    assert.equal("fail", levels(out).reached)
    assert.matches("fail  peers      " .. nodes[1].url .. " sends no loads to " .. nodes[3].url,
      out.stdout, 1, true)
  end)

  it("finds lists, rings and groups that differ", function()
    local first, second = ports.free(), ports.free()
    local urls = { "http://127.0.0.1:" .. first, "http://127.0.0.1:" .. second }
    local a = node.start { script = SCRIPT, port = first, peers = urls }
    local b = node.start { script = SCRIPT .. [[
      groupcache.group("more", { getter = function(key) return key end })
    ]], port = second, peers = { urls[2] } }
    local out = run("doctor", "--node", urls[1])
    rig.stop(a)
    rig.stop(b)
    assert.equal(1, out.code)
    local seen = levels(out)
    assert.same({ "fail", "fail", "fail" }, { seen.lists, seen.groups, seen.ring })
    assert.matches(urls[2] .. " have the groups g, more", out.stdout, 1, true)
  end)

  it("finds a source of peers that fails", function()
    local urls = { "http://127.0.0.1:" .. ports.free() }
    local list = tmp.file(urls[1] .. "\n", "peers")
    local n = node.start { script = SCRIPT, port = tonumber(urls[1]:match "%d+$"),
      args = { "--peers", "file:" .. list, "--self", urls[1] } }
    local fine = run("doctor", "--node", urls[1])
    os.remove(list)
    eventually(function()
      local sources = n:stats().sources
      return type(sources[1].last_error) == "string"
    end, 20, "the source fails")
    local out = run("doctor", "--node", urls[1])
    rig.stop(n)
    assert.equal(0, fine.code, fine.stdout)
    assert.matches("warn  sources    " .. urls[1] .. " asks ", out.stdout, 1, true)
  end)

  it("finds dialects that differ", function()
    local nodes = node.cluster(2, { script = SCRIPT, each = function(i, opts)
      opts.args = { "--dialect", i == 1 and "golang" or "mailgun" }
    end })
    local out = run("doctor", "--node", nodes[1].url)
    for _, n in ipairs(nodes) do
      rig.stop(n)
    end
    assert.equal(1, out.code)
    assert.equal("fail", levels(out).settings)
    assert.matches(nodes[2].url .. " have the dialect, hash and replicas mailgun fnv1-64 50",
      out.stdout, 1, true)
  end)

  it("ends with 3 if there is no node", function()
    assert.equal(3, run("doctor", "--node", "http://127.0.0.1:" .. ports.free()).code)
  end)
end)

-- A server of tmux of its own: a function that gives it a command, and the path of its socket.
local function terminal()
  if not lfs.attributes("/usr/bin/tmux", "mode") then
    pending "no terminal (tmux)"
  end
  local socket = tmp.dir() .. "/tmux"
  return function(...)
    return process.run { "tmux", "-S", socket, "-f", "/dev/null", env = { TMUX = false }, ... }
      .stdout
  end, socket
end

describe("groupcached top", function()
  local n

  setup(function()
    n = node.start { script = SCRIPT }
    for i = 1, 40 do
      n:get("g", i % 2 == 0 and "often" or "k" .. i)
    end
  end)

  teardown(function()
    rig.stop(n)
  end)

  it("prints plain tables where there is no terminal", function()
    local out = run("top", "--node", n.url, "--count", "2", "--interval", "0.05")
    assert.equal(0, out.code)
    assert.is_nil(out.stdout:find "\27")
    assert.equal(2, select(2, out.stdout:gsub("GROUP +GETS/S", "")))
    assert.matches("\ng +often +%d+\n", out.stdout)
  end)

  it("prints an object for each look with --json", function()
    local out = run("top", "--json", "--node", n.url, "--count", "1")
    local said = cjson.decode(out.stdout)
    assert.equal(n.url, said.node)
    assert.equal("g", said.groups[1].name)
    assert.same({ "g", "often" }, { said.popular[1].group, said.popular[1].key })
  end)

  it("ends with 3 if there is no node, or it has ended", function()
    assert.equal(3, run("top", "--node", "http://127.0.0.1:" .. ports.free()).code)
  end)

  it("is a live view in a terminal, which q ends and leaves as it was", function()
    local tmux, socket = terminal()
    finally(function() tmux "kill-server" end)
    tmux("new-session", "-d", "-x", "90", "-y", "24",
      ("sh -c 'stty -a > %s.before; %s top --node %s --interval 0.2; stty -a > %s.after; cat'")
        :format(socket, node.binary, n.url, socket))
    eventually(function()
      local screen = tmux("capture-pane", "-p")
      return screen:find("GETS/S", 1, true) and screen:find "g +often"
    end, 20, "the view is drawn")
    assert.equal("0 1\n", tmux("display", "-p", "#{cursor_flag} #{alternate_on}"))
    tmux("resize-window", "-x", "40", "-y", "10")
    eventually(function()
      for line in tmux("capture-pane", "-p"):gmatch "[^\n]+" do
        if #line > 40 then
          return false
        end
      end
      return tmux("display", "-p", "#{pane_width}") == "40\n"
    end, 10, "the view is as wide as the window")
    tmux("send-keys", "q")
    eventually(function()
      return tmux("display", "-p", "#{cursor_flag} #{alternate_on}") == "1 0\n"
    end, 10, "the screen is as before")
    local function modes(path)
      return (tmp.read(path):gsub("rows %d+; columns %d+;", ""))
    end
    eventually(function() return modes(socket .. ".before") == modes(socket .. ".after") end, 10,
      "the terminal is as before")
  end)
end)

describe("groupcached bench", function()
  local n

  setup(function()
    n = node.start { script = [[
      local groupcache = require "groupcache"
      groupcache.group("g", { getter = function(key)
        if key:find "^none" then return nil end
        if key:find "^bad" then return nil, "no luck" end
        return "v:" .. key
      end })
    ]] }
  end)

  teardown(function()
    rig.stop(n)
  end)

  it("prints gets a second, a histogram of their times, and the sources", function()
    local out = run("bench", "g", "k", "--seconds", "1", "--keys", "20", "--node", n.url)
    assert.equal(0, out.code, out.stderr)
    local gets = tonumber(out.stdout:match "^(%d+) gets in [%d.]+ s: %d+ a second")
    assert.is_true(gets >= 20)
    local bars, loaded = 0, tonumber(out.stdout:match "from local +(%d+)\n")
    for number in out.stdout:gmatch "up to +[%d.]+ ms +(%d+)" do
      bars = bars + tonumber(number)
    end
    assert.equal(gets, bars)
    assert.is_true(loaded >= 10)
    assert.matches("from main +%d+\n", out.stdout)
    assert.equal("", out.stderr)
  end)

  it("has the same as JSON, keys that are not found and failures apart", function()
    local out = run("bench", "g", "none", "--seconds", "1", "--json", "--clients", "3", "--node",
      n.url)
    local said = cjson.decode(out.stdout)
    assert.equal(0, out.code)
    assert.same({ said.gets, 0 }, { said.missing, said.failed })
    assert.is_true(said.ms.p50 <= said.ms.p99 and said.ms.p99 <= said.ms.max)
    out = run("bench", "g", "bad", "--seconds", "1", "--json", "--node", n.url)
    said = cjson.decode(out.stdout)
    assert.equal(1, out.code)
    assert.equal(said.gets, said.errors["no luck"])
  end)

  it("ends with 3 if there is no node", function()
    assert.equal(3, run("bench", "g", "--node", "http://127.0.0.1:" .. ports.free()).code)
  end)
end)

describe("groupcached completion", function()
  -- What bash would complete the last of the words to.
  local function complete(...)
    local words = { ... }
    local script = ('source <(%s completion bash); COMP_WORDS=("$@"); COMP_CWORD=%d; '
      .. '_groupcached; echo "${COMPREPLY[@]}"'):format(node.binary, #words)
    return process.run { "bash", "-c", script, "groupcached", "groupcached", ... }.stdout:sub(1, -2)
  end

  it("completes commands and options in bash", function()
    assert.equal("stats", complete "sta")
    assert.equal("--json", complete("get", "--js"))
    assert.equal("--ttl --token --timeout", complete("put", "g", "--t"))
    assert.equal("bash", complete("completion", "b"))
    assert.matches("--listen", complete "--lis", 1, true)
    assert.matches("--listen", complete("check", "--lis"), 1, true)
    assert.equal("", complete("ttl", "--cou"))
  end)

  it("completes commands, words and options in zsh", function()
    if process.run({ "sh", "-c", "command -v zsh" }).code ~= 0 then
      pending "no zsh"
    end
    local tmux, socket = terminal()
    finally(function() tmux "kill-server" end)
    tmp.write(socket .. ".d/_groupcached", run("completion", "zsh").stdout)
    tmux("new-session", "-d", "-x", "100", "-y", "24", "-c", socket .. ".d",
      "env HOME=" .. socket .. ".d zsh -f")
    tmux("send-keys", "PS1='> ' fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; "
      .. "clear; echo can complete", "Enter")
    local function shows(text)
      eventually(function()
        return ("\n" .. tmux("capture-pane", "-p")):find("\n" .. text, 1, true)
      end, 30, text .. " is on the screen")
    end
    shows "can complete"
    for typed, wanted in pairs { ["sta"] = "stats ", ["get --js"] = "get --json ",
      ["put g --ti"] = "put g --timeout ", ["completion b"] = "completion bash ",
      ["help run"] = "help run-getter ", ["help --snap"] = "help --snap",
      ["--snapshot-e"] = "--snapshot-every ",
      ["check --client-l"] = "check --client-listen " } do
      tmux("send-keys", "groupcached " .. typed, "Tab", "x")
      shows("> groupcached " .. wanted .. "x\n")
      tmux("send-keys", "C-u")
    end
  end)

  it("has all commands for each shell", function()
    local help = run("help").stdout
    for _, shell in ipairs { "bash", "zsh", "fish", "man" } do
      local out = run("completion", shell)
      assert.equal(0, out.code)
      for name in help:gmatch "\n  groupcached ([%l%-]+)" do
        name = shell == "man" and name:gsub("%-", "\\-") or name
        assert.matches(name, out.stdout, 1, true)
      end
    end
  end)

  it("has a man page without a fault", function()
    if process.run({ "sh", "-c", "command -v man groff" }).code ~= 0 then
      pending "no man, groff"
    end
    local path = tmp.file(run("completion", "man").stdout, "groupcached.8")
    local out = process.run { "man", "-l", "--warnings", path, env = { MANWIDTH = "80" } }
    assert.same({ 0, "" }, { out.code, out.stderr })
    assert.matches("run%-getter SCRIPT.lua GROUP KEY", out.stdout)
    assert.matches("--admin-listen ADDRESS", out.stdout, 1, true)
  end)
end)
