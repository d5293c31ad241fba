-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local peers = require "unit.peers"
local C = require("support.unit").load("peer/peer_in.h", "peer/peers.h", "base/err.h",
  "base/hash.h", "base/mem.h")

local SELF = "http://127.0.0.1:1"

local function list_of(urls)
  local list = ffi.new("const char *[?]", #urls + 1)
  for i, url in ipairs(urls) do
    list[i - 1] = url
  end
  return list
end

describe("peers", function()
  local p

  before_each(function()
    p = peers.new(SELF) -- nothing is loaded here, so there need be no network thread
  end)

  after_each(function()
    C.peers_free(p)
  end)

  local function call(fn, urls)
    local e = ffi.new "struct error"
    if fn(p, list_of(urls), #urls, e) ~= 0 then
      return nil, ffi.string(e.msg)
    end
    return true
  end

  local function set(urls)
    return call(C.peers_set, urls)
  end

  local function check(urls)
    return call(C.peers_check, urls)
  end

  local function urls_of(of)
    local n, urls = ffi.new "size_t[1]", {}
    local list = C.peers_list(of, n)
    for i = 1, tonumber(n[0]) do
      urls[i] = ffi.string(list[i - 1].url)
      C.peer_unref(list[i - 1])
    end
    C.mem_free(list)
    return urls
  end

  -- The owner's URL as a load sees it: nil when it is this node.
  local function owner(key)
    local peer = C.peers_owner(p, key, #key)
    local url = peer ~= nil and ffi.string(peer.url) or nil
    C.peers_disown(p, peer)
    return url
  end

  local function place(key)
    local peer = C.peers_place(p, key, #key)
    local url = peer ~= nil and ffi.string(peer.url) or nil
    C.peer_unref(peer)
    return url
  end

  it("say which keys the ring gives to this node", function()
    assert.equal(1, C.peers_is_ours(p, "k", 1)) -- there are no others
    set { SELF, "http://127.0.0.1:2" }
    local ours = 0
    for i = 1, 100 do
      local key = "key" .. i
      local found = C.peers_place(p, key, #key)
      local is_ours = C.peers_is_ours(p, key, #key)
      assert.equal(found.self, is_ours)
      C.peer_unref(found)
      ours = ours + is_ours
    end
    assert.is_true(ours > 10 and ours < 90, ours)
  end)

  it("own every key while the list is empty", function()
    assert.is_nil(owner "key")
    assert.is_nil(place "key")
    assert.same({}, urls_of(p))
  end)

  it("share the keys, and say who owns a key", function()
    local other = "http://127.0.0.1:2"
    assert.is_true(set { SELF, other })
    local count = { [SELF] = 0, [other] = 0 }
    for i = 1, 200 do
      local key = "key" .. i
      local at = place(key)
      count[at] = count[at] + 1
      assert.equal(at ~= SELF and at or nil, owner(key))
    end
    assert.is_true(count[SELF] > 20 and count[other] > 20)
    assert.same({ SELF, other }, urls_of(p))
  end)

  it("refuse a list with anything but URLs of host and port, and keep the old list", function()
    assert.is_true(set { SELF })
    for _, url in ipairs { "", "127.0.0.1:2", "ftp://a:1", "http://", "http://a:1?x", "http://a b",
      "http://u@a:1", "http://a:1#x" } do
      local ok, why = set { SELF, url }
      assert.is_nil(ok)
      assert.equal(('peer "%s" is not a URL of the form http://host:port'):format(url), why)
    end
    local _, why = set { SELF, "http://a:1/" }
    assert.truthy(why:find("must end after host and port", 1, true))
    assert.same({ SELF }, urls_of(p))
  end)

  it("refuse a list without this node, and one with a node twice", function()
    local _, why = check { "http://a:1" }
    assert.truthy(why:find(('self "%s" is not in the peer list'):format(SELF), 1, true))
    _, why = check { SELF, "http://a:1", "http://a:1" }
    assert.equal('peer "http://a:1" is listed twice', why)
    assert.same({}, urls_of(p))
  end)

  -- Each step that is taken for each pair would take minutes.
  it("check a list of 20,000 peers, and name the one that is there twice", function()
    local urls = { SELF }
    for i = 2, 20000 do
      urls[i] = ("http://10.%d.%d.%d:80"):format(i % 7, i / 250, i % 250)
    end
    assert.is_true(check(urls))
    table.insert(urls, urls[777])
    local _, why = check(urls)
    assert.equal(('peer "%s" is listed twice'):format(urls[777]), why)
  end)

  it("keep a peer that stays in the list, and the references to a removed peer", function()
    assert.is_true(set { SELF, "http://a:1" })
    local n = ffi.new "size_t[1]"
    local list = C.peers_list(p, n)
    local kept, gone = list[0], list[1]
    C.mem_free(list)
    assert.is_true(set { SELF, "http://b:1" })
    list = C.peers_list(p, n)
    assert.is_true(list[0] == kept)
    assert.equal("http://a:1", ffi.string(gone.url))
    for _, peer in ipairs { list[0], list[1], kept, gone } do
      C.peer_unref(peer)
    end
    C.mem_free(list)
  end)

  it("have the same options in another set with a list of its own", function()
    assert.is_true(set { SELF, "http://a:1" })
    local like = C.peers_like(p)
    assert.same({}, urls_of(like))
    local e = ffi.new "struct error"
    assert.equal(0, tonumber(C.peers_set(like, list_of { SELF }, 1, e)))
    assert.same({ SELF }, urls_of(like))
    assert.same({ SELF, "http://a:1" }, urls_of(p))
    C.peers_free(like)
  end)

  describe("with a ring_scheme", function()
    local function ring(dialect, scheme, self, urls)
      local o, e = ffi.new "struct peers_opts", ffi.new "struct error"
      o.dialect, o.hash = dialect, C.HASH_CRC32
      o.self, o.base_path, o.replicas, o.ring_scheme = self, "/_groupcache/", 50, scheme
      local ps = C.peers_new(o, nil)
      if C.peers_set(ps, list_of(urls), #urls, e) ~= 0 then
        C.peers_free(ps)
        return nil, ffi.string(e.msg)
      end
      local owners = {}
      for i = 1, 300 do
        local key = "key-" .. i
        local peer = C.peers_owner(ps, key, #key)
        owners[i] = peer == nil and "self" or ffi.string(peer.url):match "%d+$"
        C.peers_disown(nil, peer)
      end
      C.peers_free(ps)
      return owners
    end

    local plain = { "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3" }
    local mixed = { "https://127.0.0.1:1", "http://127.0.0.1:2", "https://127.0.0.1:3" }

    it("no key moves if URLs of the list become https", function()
      for _, dialect in ipairs { C.DIALECT_GOLANG, C.DIALECT_MAILGUN } do
        local before = ring(dialect, nil, plain[1], plain)
        assert.same(before, ring(dialect, "http", plain[1], mixed))
        assert.same(before, ring(dialect, "http", "https://127.0.0.1:1", plain))
      end
    end)

    it("keys move without it, in a dialect that has the whole URL on the ring", function()
      assert.is_not.same(ring(C.DIALECT_GOLANG, nil, plain[1], plain),
        ring(C.DIALECT_GOLANG, nil, mixed[1], mixed))
    end)

    it("two URLs of one place are one peer listed twice", function()
      local _, err = ring(C.DIALECT_GOLANG, "http", plain[1], { plain[1], mixed[1] })
      assert.equal('peer "https://127.0.0.1:1" is listed twice', err)
    end)
  end)
end)
