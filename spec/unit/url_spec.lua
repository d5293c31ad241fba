-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "base/url.h"

-- -> "http", "https" or nil, host and port, what follows them
local function parts(url)
  local host = ffi.new "const char *[1]"
  local scheme = tonumber(C.url_scheme(url, host))
  if host[0] == nil then
    assert.equal(tonumber(C.URL_OTHER), scheme)
    return nil
  end
  local rest = C.url_host_end(host[0])
  return scheme == tonumber(C.URL_HTTP) and "http" or "https",
    ffi.string(host[0], rest - host[0]), ffi.string(rest)
end

describe("url", function()
  it("knows http and https in any case", function()
    assert.same({ "http", "host:80", "" }, { parts "http://host:80" })
    assert.same({ "https", "[::1]:8080", "" }, { parts "HttpS://[::1]:8080" })
  end)

  it("takes nothing else for a URL", function()
    for _, text in ipairs { "", "http", "http:", "http:/", "http:/host", "ftp://host", " http://a",
      "host:80", "//host", "httpss://host" } do
      assert.is_nil(parts(text), text)
    end
  end)

  it("ends a host at what cannot be of one", function()
    for _, stop in ipairs { "/path", "?query", "#part", "@host", " ", "\n", "\127", "\195\164" } do
      assert.same({ "http", "host:80", stop }, { parts("http://host:80" .. stop) })
    end
    assert.same({ "http", "", "/" }, { parts "http:///" })
  end)

  it("is without its scheme what comes behind http:// or https://", function()
    for url, rest in pairs { ["HTTP://a:1/b"] = "a:1/b", ["https://a"] = "a", ["a:1"] = "a:1",
      ["ftp://a"] = "ftp://a", [""] = "" } do
      assert.equal(rest, ffi.string(C.url_without_scheme(url)))
    end
  end)

  it("may be that of a peer if it ends with host and port", function()
    local e = ffi.new "struct error"
    for _, url in ipairs { "http://a:1", "https://[::1]:8080", "http://a" } do
      assert.equal(0, tonumber(C.url_check_peer(url, e)), url)
    end
    for url, why in pairs { ["a:1"] = "not a URL of the form", ["http://"] = "not a URL",
      ["http://a:1/"] = "must end after host and port", ["http://a:1/b"] = "must end",
      ["http://a:1?"] = "not a URL", ["http://me@a:1"] = "not a URL", ["http://a\n"] = "not a" } do
      assert.equal(tonumber(C.ERR_INVAL), tonumber(C.url_check_peer(url, e)))
      assert.matches(why, ffi.string(e.msg))
      assert.truthy(ffi.string(e.msg):find(url, 1, true))
    end
  end)

  it("may be that of a peer only if there can be such a host and port", function()
    local e = ffi.new "struct error"
    for _, url in ipairs { "http://10.0.0.1", "http://a.b.:65535", "http://a_b-c.d9:1",
      "http://9a:1", "http://[::ffff:10.0.0.1]:1", "http://[fe80::1%eth0]:1",
      "http://a" .. ("b"):rep(252) } do
      assert.equal(0, tonumber(C.url_check_peer(url, e)), url)
    end
    for url, why in pairs { ["http://::1:8080"] = "in brackets", ["http://a:1:2"] = "in brackets",
      ["http://[::g]:80"] = "no IPv6 address", ["http://[::1"] = "no IPv6 address",
      ["http://[10.0.0.1]"] = "no IPv6 address", ["http://[fe80::1%]"] = "no IPv6 address",
      ["http://[::1]80"] = "begins with a colon", ["http://[::1]:"] = '""',
      ["http://:80"] = "no host",
      ["http://a:0"] = '"0"', ["http://a:70000"] = '"70000"', ["http://a:0x50"] = '"0x50"',
      ["http://a:80x"] = '"80x"', ["http://a:+80"] = '"%+80"', ["http://a:00000080"] = "1 to 65535",
      ["http://a..b"] = "no name", ["http://.a"] = "no name", ["http://h\\x"] = "no name",
      ["http://10.0.0.256"] = "no address such as", ["http://1"] = "no address such as",
      ["http://a" .. ("b"):rep(253)] = "peer" } do
      assert.equal(tonumber(C.ERR_INVAL), tonumber(C.url_check_peer(url, e)), url)
      assert.matches(why, ffi.string(e.msg))
    end
  end)

  it("has a host without brackets and port", function()
    local n = ffi.new "size_t[1]"
    for url, host in pairs { ["http://a:80"] = "a", ["https://a.b"] = "a.b",
      ["http://10.0.0.1:8080"] = "10.0.0.1", ["http://[fd00::2]:8080"] = "fd00::2",
      ["http://[::1]"] = "::1" } do
      assert.equal(host, ffi.string(C.url_host(url, n), n[0]))
    end
  end)
end)
