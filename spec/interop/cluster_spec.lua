-- SPDX-License-Identifier: MIT

-- Go nodes and ours in one ring: 2,000 keys of every kind, each asked through every node at the
-- same moment.
--
-- Keys with a space are the one thing that does not come out right everywhere, and not for our
-- part: Go's client writes the space as "+", which Go's server takes for a plus. So a Go node that
-- asks another Go node for "a b" is answered with the value of "a+b". The owner of "a+b" loads that
-- for it, once. Whenever one of ours is on either end, the key arrives whole. The class "space" of
-- keys.lua lists those keys; everything else is exact on all nodes.

local keys = require "interop.keys"
local nodes = require "interop.nodes"

-- Fails with the first few of many complaints.
local function none(complaints)
  local shown = {}
  for i = 1, math.min(#complaints, 10) do
    shown[i] = complaints[i]
  end
  assert(#complaints == 0, ("%d complaints:\n%s"):format(#complaints, table.concat(shown, "\n")))
end

describe("a ring of two Go nodes and two of ours", function()
  local all = keys.all()
  local list, peers
  local by_url = {} -- URL -> node
  local owner = {} -- key -> node, by the first Go node's ring
  local first, second = {}, {} -- key -> answers of all nodes, in the order of list
  local loads_after_first, loads_after_second

  local function ask_all(into)
    for _, entry in ipairs(all) do
      into[entry.key] = nodes.together(list, entry.key)
    end
    local loads = {}
    for i, n in ipairs(list) do
      loads[i] = n:loads()
    end
    return loads
  end

  lazy_setup(function()
    list, peers = nodes.mixed(2, 2)
    for _, n in ipairs(list) do
      by_url[n.url] = n
    end
    for _, entry in ipairs(all) do
      owner[entry.key] = by_url[list[1]:owner(entry.key)]
    end
    loads_after_first = ask_all(first)
    loads_after_second = ask_all(second)
  end)

  lazy_teardown(function()
    nodes.stop(list)
  end)

  -- Asked at `asked`, the request goes from one Go node to another.
  local function crosses_go_only(asked, key)
    return asked.kind == "go" and owner[key].kind == "go" and owner[key] ~= asked
  end

  local function check_values(answers, wanted, is_ours)
    local complaints = {}
    for _, entry in ipairs(all) do
      for i, asked in ipairs(list) do
        if is_ours(entry, asked) then
          local res = answers[entry.key][i]
          local want = wanted(entry.key)
          if res.status ~= 200 or res.body ~= want then
            complaints[#complaints + 1] = ("%s key %s, owner %s %s, asked at %s %s: %d %s"):format(
              entry.class, keys.show(entry.key), owner[entry.key].kind, owner[entry.key].url,
              asked.kind, asked.url, res.status, keys.show(res.body))
          end
        end
      end
    end
    none(complaints)
  end

  local function plain_value(key)
    return "v:" .. key
  end

  local function not_space(entry)
    return entry.class ~= "space"
  end

  local function space_seen_by_us(entry, asked)
    return entry.class == "space" and not crosses_go_only(asked, entry.key)
  end

  local function space_among_go(entry, asked)
    return entry.class == "space" and crosses_go_only(asked, entry.key)
  end

  it("has keys of every kind on every node", function()
    local owned, kinds = {}, {}
    for _, entry in ipairs(all) do
      local url = owner[entry.key].url
      owned[url] = (owned[url] or 0) + 1
      kinds[entry.class .. owner[entry.key].kind] = true
    end
    for _, url in ipairs(peers) do
      assert(owned[url] and owned[url] > 20, url .. " owns " .. tostring(owned[url]) .. " keys")
    end
    assert.equal(2000, #all)
    assert.is_true(kinds.spacego and kinds.spacec and kinds.longgo and kinds.longc)
  end)

  it("agrees on the owner of every key", function()
    local complaints = {}
    for _, entry in ipairs(all) do
      local url = owner[entry.key].url
      for i, n in ipairs(list) do
        local says
        if n.kind == "go" then
          says = n:owner(entry.key)
        else -- ours tells by where it took the value from
          local source = first[entry.key][i].headers["x-cache"]
          local here = source == "local" or source == "main"
          says = here and n.url or source == "peer" and (n.url == url and "a peer" or url) or source
        end
        if says ~= url then
          complaints[#complaints + 1] = ("%s key %s: %s %s says %s, Go says %s"):format(entry.class,
            keys.show(entry.key), n.kind, n.url, tostring(says), url)
        end
      end
    end
    none(complaints)
  end)

  it("gives every key without a space its value, whoever is asked", function()
    check_values(first, plain_value, not_space)
  end)

  it("keeps a key with a space whole when either end is a node of ours", function()
    check_values(first, plain_value, space_seen_by_us)
  end)

  it("shows Go's own bug, and no other, for a key with a space between two Go nodes", function()
    check_values(first, function(key)
      return "v:" .. keys.as_go_sends(key)
    end, space_among_go)
  end)

  it("loads every key once in the whole ring, at its owner", function()
    local want = {} -- place in list -> key -> loads
    for i in ipairs(list) do
      want[i] = {}
    end
    local place = {}
    for i, n in ipairs(list) do
      place[n.url] = i
    end
    for _, entry in ipairs(all) do
      want[place[owner[entry.key].url]][entry.key] = 1
      if entry.class == "space" and owner[entry.key].kind == "go" then
        -- The other Go node asks for this key instead, and it is loaded where it lives.
        local sent = keys.as_go_sends(entry.key)
        want[place[list[1]:owner(sent)]][sent] = 1
      end
    end
    local complaints = {}
    for i, n in ipairs(list) do
      local function compare(key, got, wanted)
        if got ~= wanted then
          complaints[#complaints + 1] = ("%s %s loaded %s %d times, not %d"):format(n.kind, n.url,
            keys.show(key), got, wanted)
        end
      end
      for key, wanted in pairs(want[i]) do
        compare(key, loads_after_first[i][key] or 0, wanted)
      end
      for key, got in pairs(loads_after_first[i]) do
        if not want[i][key] then
          compare(key, got, 0)
        end
      end
    end
    none(complaints)
  end)

  it("answers the same when asked again, and loads nothing", function()
    check_values(second, plain_value, not_space)
    check_values(second, plain_value, space_seen_by_us)
    check_values(second, function(key)
      return "v:" .. keys.as_go_sends(key)
    end, space_among_go)
    assert.same(loads_after_first, loads_after_second)
  end)

  it("carries an empty value and one of 1 MiB from every owner to every node", function()
    for _, n in ipairs(list) do
      for pattern, size in pairs { ["empty:%d"] = 0, ["big:1048576:%d"] = 1048576 } do
        local key = list[1]:key_owned_by(n.url, pattern)
        for i, res in ipairs(nodes.together(list, key)) do
          assert.equal(200, res.status)
          assert(#res.body == size, ("%s at %s: %d bytes"):format(key, list[i].url, #res.body))
          assert(res.body == ("0123456789abcdef"):rep(size / 16), "other bytes")
        end
      end
    end
  end)

  it("tells every client of a getter's failure, in its own face's words", function()
    for _, n in ipairs(list) do
      local key = list[1]:key_owned_by(n.url, "err:%d")
      for i, res in ipairs(nodes.together(list, key)) do
        assert.equal(list[i].kind == "go" and 500 or 502, res.status)
        assert(res.body:find("getter failed: " .. key, 1, true), res.body)
      end
    end
  end)

  it("takes a percent-encoded byte of any value, a raw control byte never", function()
    local c = list[3]
    for byte = 0, 255 do
      local res = assert(c:request { target = ("/cache/interop/x%%%02X"):format(byte) })
      assert.equal(200, res.status)
      assert.equal("v:x" .. string.char(byte), res.body)
    end
    for _, byte in ipairs { 1, 2, 7, 8, 27, 31, 127 } do
      for _, path in ipairs { "/cache/interop/", "/_groupcache/interop/" } do
        local res = assert(c:request { target = path .. "x" .. string.char(byte) .. "y" })
        assert(res.status == 400, ("byte %d below %s: %d"):format(byte, path, res.status))
      end
    end
  end)
end)
