-- SPDX-License-Identifier: MIT

-- Many loads at one peer, as the asking node sees it: what may come back, and what becomes of each
-- load. The peer is made up.

local cjson = require "cjson"
local eventually = require "support.eventually"
local fake = require "node.fake"
local node = require "support.node"
local ours = require "node.ours"
local ports = require "support.ports"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local cjson = require "cjson"
local groups = {}
for name, max in pairs { g = "8MB", tiny = 20 } do
  groups[name] = groupcache.group(name, { hot = "never", max_value_bytes = max,
    getter = function(key) return key .. " here" end })
end
groupcache.group("call", { local_only = true, getter = function(key)
  local method, name, keys = unpack(cjson.decode(key))
  local out = { groups[name][method](groups[name], keys) }
  for i = 1, 4 do if out[i] == nil then out[i] = cjson.null end end
  return cjson.encode(out), nil, 0
end })
]]

describe("many loads at one peer", function()
  local f, n, peers, keys

  local function start(source)
    f = fake.start(ours(source))
    local port = ports.free()
    peers = { "http://127.0.0.1:" .. port, f.url }
    n = node.start { script = SCRIPT, port = port, self = peers[1], peers = peers }
    keys = {}
    for i = 1, 4 do
      keys[i] = rig.owned_by(peers, f.url, "k" .. i .. "-")
    end
  end

  after_each(function()
    rig.stop(n)
    f:stop()
  end)

  local function call(method, group, list)
    local res = assert(n:get("call", cjson.encode { method, group, list }, { timeout = 30 }))
    assert.equal(200, res.status, res.body)
    return unpack(cjson.decode(res.body))
  end

  -- What became of each key: its value without the key, or its error's code.
  local function ends(group)
    local values, errors = call("get_many", group or "g", keys)
    local out = {}
    for i, key in ipairs(keys) do
      out[i] = values[key] and (values[key]:gsub("^" .. key:gsub("%p", "%%%0") .. " ", ""))
        or errors[key].code .. ": " .. errors[key].message
    end
    return out
  end

  local function asked(method)
    local times = 0
    for _, line in ipairs(f:requests()) do
      times = times + (line:find("^" .. method .. " ") and 1 or 0)
    end
    return times
  end

  it("travel in one exchange, the first exchange too, and end in any order", function()
    start [[
      function on_batch(request, c)
        local _, keys = batch(request)
        local all = ""
        for i = #keys, 1, -1 do all = all .. frame(i - 1, keys[i] .. " batched") end
        c:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n"):format(#all, OURS))
        for i = 1, #all do c:send(all:sub(i, i)) c:sleep(0) end
      end
    ]]
    assert.same({ "batched", "batched", "batched", "batched" }, ends())
    assert.same({ 1, 0 }, { asked "POST", asked "GET" })
    -- The last value may be here before the exchange has ended.
    eventually(function() return n:stats().peers[2].ours end, 5, "it is known as one of ours")
    local peer = n:stats().peers[2]
    assert.same({ 1, 4, 0 }, { peer.batches, peer.loads, peer.errors })
  end)

  it("have an error each", function()
    start [[
      function on_batch(request, c)
        local _, keys = batch(request)
        answer(c, 200, frame(0, nil, "NOTFOUND", "no such") .. frame(1, keys[2] .. " batched")
          .. frame(2, nil, "GETTER", "no luck") .. frame(3, nil, "CLOSED", "stopping"))
      end
    ]]
    assert.same({ "NOTFOUND: no such", "batched", "GETTER: no luck", "here" }, ends())
  end)

  it("may be told more than a value may have bytes", function()
    start [[
      function on_batch(request, c)
        local _, keys = batch(request)
        answer(c, 200, frame(0, nil, "GETTER", ("long "):rep(40)) .. frame(1, "small")
          .. frame(2, "") .. frame(3, "x"))
      end
    ]]
    local list = ends "tiny"
    assert.matches("^GETTER: long long", list[1])
    assert.same({ "small", "", "x" }, { list[2], list[3], list[4] })
  end)

  for what, source in pairs {
    ["a frame makes no sense"] = [[varint(3) .. "\255\255\255"]],
    ["a frame is too long"] = [[varint(10000000) .. "x"]],
    ["a key is answered twice"] = [[frame(1, "x batched")]],
    ["a key was not asked for"] = [[frame(9, "x")]],
  } do
    it("go one by one when " .. what, function()
      start("function on_batch(request, c) answer(c, 200, frame(1, 'x batched') .. " .. source
        .. ") end")
      assert.same({ "alone", "x batched", "alone", "alone" }, ends())
      assert.same({ 1, 3 }, { asked "POST", asked "GET" })
    end)
  end

  it("go one by one when the peer has no room for a batch", function()
    start [[
      function on_batch(request, c)
        answer(c, 503, "no room\n", OURS .. "X-Groupcache-Code: BUSY\r\n")
      end
    ]]
    assert.same({ "alone", "alone", "alone", "alone" }, ends())
    assert.same({ 1, 4 }, { asked "POST", asked "GET" })
  end)

  it("go one by one when it is no node of ours any more", function()
    start [[
      function on_batch(request, c) answer(c, 400, "bad request\n", "") end
    ]]
    assert.same({ "alone", "alone", "alone", "alone" }, ends())
    assert.same({ 1, 4 }, { asked "POST", asked "GET" })
  end)

  it("are done here when the answer breaks off, all that were not there yet", function()
    start [[
      function on_batch(request, c)
        local _, keys = batch(request)
        local all = frame(2, keys[3] .. " batched")
        c:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s"):format(#all + 100, OURS, all))
        c:close()
      end
    ]]
    assert.same({ "here", "here", "batched", "here" }, ends())
  end)

  it("are done here when some are missing", function()
    start [[
      function on_batch(request, c)
        local _, keys = batch(request)
        answer(c, 200, frame(0, keys[1] .. " batched"))
      end
    ]]
    assert.same({ "batched", "here", "here", "here" }, ends())
    assert.equal(3, n:stats().peers[2].errors)
  end)

  -- An answer that nobody asked for, with a frame for each key.
  local SURPLUS = [[
    local surplus = ""
    for i = 0, 3 do surplus = surplus .. frame(i, "SURPLUS") end
    surplus = ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s"):format(#surplus, OURS, surplus)
    local function frames(request)
      local _, keys = batch(request)
      local list = {}
      for i, key in ipairs(keys) do list[i] = frame(i - 1, key .. " batched") end
      return list
    end
    local function stream(c, list, between)
      c:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" .. OURS .. "\r\n")
      for _, bytes in ipairs(list) do
        c:send(("%x\r\n%s\r\n"):format(#bytes, bytes) .. (between or ""))
      end
    end
    local function later(c)
      c:sleep(0.002)
      c:send(surplus)
      c:note "later"
    end
  ]]

  for what, source in pairs {
    ["behind the last chunk, in its packet"] = [[
      stream(c, frames(request)) c:send("0\r\n\r\n" .. surplus)]],
    ["behind the last chunk, a little later"] = [[
      stream(c, frames(request)) c:send("0\r\n\r\n") later(c)]],
    ["behind an answer in one piece"] = [[
      answer(c, 200, table.concat(frames(request)) ) c:send(surplus) c:note "later"]],
    ["while the connection is idle, before the next batch"] = [[
      answer(c, 200, table.concat(frames(request))) later(c)]],
  } do
    it("are not harmed by bytes " .. what, function()
      start(SURPLUS .. "function on_batch(request, c) " .. source .. " end")
      for round = 1, 6 do
        assert.same({ "batched", "batched", "batched", "batched" }, ends())
        if source:find "later" then
          eventually(function()
            return select(2, table.concat(f:requests(), "\n"):gsub("later", "")) >= round
          end, 5, "the peer speaks unasked")
        end
      end
    end)
  end

  for what, between in pairs { ["between chunks"] = "surplus", ["that are no chunk"] = '"junk"' } do
    it("are loaded once more, except the keys that had arrived, with bytes " .. what, function()
      start(SURPLUS .. ([[function on_batch(request, c)
        local list = frames(request)
        stream(c, { list[1] }, %s) stream(c, list) c:send "0\r\n\r\n"
      end]]):format(between))
      for _ = 1, 3 do
        for _, value in ipairs(ends()) do
          assert.is_true(value == "batched" or value == "alone" or value == "here", value)
        end
      end
    end)
  end
end)
