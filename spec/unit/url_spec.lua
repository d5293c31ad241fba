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
end)
