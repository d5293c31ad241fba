-- SPDX-License-Identifier: MIT

-- When a Go node dies, and when Go nodes and ours disagree about the ring.

local eventually = require "support.eventually"
local golang = require "interop.golang"
local http = require "support.http"
local nodes = require "interop.nodes"
local ports = require "support.ports"
local socket = require "socket"

local function expect_value(res, err, key)
  assert(res, ("%s: %s"):format(key, tostring(err)))
  assert(res.status == 200, ("%s: %d %s"):format(key, res.status, res.body))
  assert.equal("v:" .. key, res.body)
end

describe("a Go node killed in mid-run", function()
  local list, go, dying, c1, c2

  before_each(function()
    list = nodes.mixed(2, 2)
    go, dying, c1, c2 = list[1], list[2], list[3], list[4]
  end)

  after_each(function()
    nodes.stop(list)
  end)

  it("costs our nodes no answer", function()
    -- Every other key is the dying node's; each is asked for through both of ours.
    local theirs, others = {}, {}
    for i = 0, 9999 do
      local key = "run" .. i
      local mine = go:owner(key) == dying.url and theirs or others
      mine[#mine + 1] = key
      if #theirs >= 150 and #others >= 150 then
        break
      end
    end
    local requests, key_of = {}, {}
    for i = 1, 150 do
      for _, key in ipairs { theirs[i], others[i] } do
        for _, n in ipairs { c1, c2 } do
          requests[#requests + 1] = n:asking(key)
          key_of[#requests] = key
        end
      end
    end
    assert.equal(600, #requests)

    local done, results = 0, {}
    http.parallel(requests, 16, function(res, err, _, i)
      results[i] = { res, err }
      done = done + 1
      if done == 200 then
        dying:kill9()
      end
    end)
    for i, key in ipairs(key_of) do
      expect_value(results[i][1], results[i][2], key)
    end
  end)

  it("is replaced by a load elsewhere for the callers that wait already", function()
    local key -- whose next owner is one of ours: its getter is quick
    local left = { go.url, c1.url, c2.url }
    for i = 0, 9999 do
      key = ("slow:60000:%d"):format(i)
      if go:owner(key) == dying.url and golang.owners(left, 50, { keys = { key } })[1] > 1 then
        break
      end
    end
    local answers = {}
    local function ask(n)
      return function()
        local request = n:asking(key)
        request.timeout = 20
        answers[n.url] = { http.request(request) }
      end
    end
    http.together { ask(c1), ask(c2), function()
      eventually(function() return dying:loads()[key] end, 5, "the load at the Go node")
      dying:kill9()
    end }
    expect_value(answers[c1.url][1], answers[c1.url][2], key)
    expect_value(answers[c2.url][1], answers[c2.url][2], key)
  end)
end)

describe("a Go node with another peer list", function()
  local go, c

  -- Ours believes in both nodes; the Go node knows ours only, so it sends every key to us, also
  -- those that we believe to be its own.
  before_each(function()
    go = golang.start()
    local port = ports.free()
    c = nodes.start { port = port, peers = { go.url, "http://127.0.0.1:" .. port } }
    go:set_peers { c.url }
  end)

  after_each(function()
    nodes.stop { go, c }
  end)

  local function key_of_go(pattern)
    local peers = { go.url, c.url }
    local all = {}
    for i = 1, 100 do
      all[i] = pattern:format(i)
    end
    for i, owner in ipairs(golang.owners(peers, 50, { keys = all })) do
      if owner == 1 then
        return all[i]
      end
    end
  end

  it("may send a key back to us: the answer comes at once", function()
    local key = key_of_go "back%d"
    assert.equal(c.url, go:owner(key))
    local from = socket.gettime()
    local request = c:asking(key)
    request.timeout = 5
    local res, err = http.request(request)
    expect_value(res, err, key)
    assert(socket.gettime() - from < 4, "it took seconds")
  end)

  it("asked for the key together with us does not lock up", function()
    for round = 1, 20 do
      local key = key_of_go("both" .. round .. ":%d")
      local from = socket.gettime()
      local answers = nodes.together({ c, go }, key)
      assert(socket.gettime() - from < 4, "it took seconds")
      for _, res in ipairs(answers) do
        expect_value(res, nil, key)
      end
    end
  end)

  it("alone asks us, and we load for it what we believe to be its own", function()
    local key = key_of_go "alone%d"
    local from = socket.gettime()
    assert.equal("v:" .. key, (go:get(key, { timeout = 5 })))
    assert(socket.gettime() - from < 4, "it took seconds")
    assert.equal(1, c:loads()[key])
    assert.is_nil(go:loads()[key])
  end)
end)
