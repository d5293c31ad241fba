-- SPDX-License-Identifier: MIT

--- Headers: which are kept, and which a 304 replaces.

local LM = "Wed, 01 Jan 2020 00:00:00 GMT"

-- Of the headers that are kept: a first and a second value. `must`: a 304 has to replace it.
local KEPT = {
  { "Test-Header", must = true }, { "X-Test-Header", must = true },
  { "Content-Foo", must = true }, { "X-Content-Foo", must = true },
  { "Cache-Control", "max-age=1", "max-age=3600", must = true },
  { "Content-Encoding" }, { "Content-Location", "/foo", "/bar" },
  { "Content-MD5", "rL0Y20zC+Fzt72VPzMSk2A==", "N7UdGUp1E+RbVvZSTy1R8g==" },
  { "Content-Range" },
  { "Content-Security-Policy", "default-src 'self'", "default-src 'self' cdn.example.com" },
  { "Content-Type", "text/plain", "text/plain;charset=utf-8" },
  { "Clear-Site-Data", "cache", "cookies" }, { "ETag", '"abcdef"', '"ghijkl"' },
  { "Expires", "Fri, 01 Jan 2038 01:01:01 GMT", "Mon, 11 Jan 2038 11:11:11 GMT" },
  { "Public-Key-Pins" }, { "Set-Cookie", "a=b", "a=c" }, { "Set-Cookie2", "a=b", "a=c" },
  { "X-Frame-Options", "deny", "sameorigin" }, { "X-XSS-Protection", "1", "1; mode=block" },
}

local ANOTHER = { ETag = "a 304 with another strong tag does not confirm the answer that is kept" }

local OF_CONNECTION = { "Connection", "Keep-Alive", "Proxy-Authenticate",
  "Proxy-Authentication-Info", "Proxy-Authorization", "Proxy-Connection", "TE", "Upgrade" }

local function with_life(name, value, life, more)
  local res = { { "Date", 0 }, { name, value } }
  if name ~= "Cache-Control" then
    res[#res + 1] = { "Cache-Control", life }
  end
  res[#res + 1] = more
  return res
end

local function of_storing(t)
  t.required("headers-omit-headers-listed-in-Connection",
    t.fresh { { "Connection", "a, b", false }, { "a", "1", false }, { "b", "2", false },
      { "c", "3", false } },
    { type = "cached", expect = { { "c", "3" } }, missing = { "a", "b" } })
  for _, h in ipairs(KEPT) do
    local name, value = h[1], h[3] or "any-value"
    t.required("headers-store-" .. name,
      { res = with_life(name, value, "max-age=3600"), setup = true, pause = true },
      { type = "cached", expect = { { name, value } } })
  end
  t.required("headers-store-Content-Length",
    { res = with_life("Content-Length", "10", "max-age=3600"), text = "0123456789 and more",
      setup = true, pause = true, expect_text = "0123456789" },
    { type = "cached", expect = { { "Content-Length", "10" } }, expect_text = "0123456789" })
  for _, name in ipairs(OF_CONNECTION) do
    local res = with_life(name, "any-value", "max-age=3600")
    res[2][3] = false
    t.required("headers-store-" .. name,
      { res = res, setup = true, pause = true, missing = { name } },
      { type = "cached", missing = { name } })
  end
  -- A coding that nobody has asked for: the body ends with the connection (RFC 9112, 6.3).
  t.required("headers-store-Transfer-Encoding",
    { res = { { "Date", 0 }, { "Transfer-Encoding", "any-value", false },
      { "Cache-Control", "max-age=3600" } }, setup = true, pause = true, ends = true },
    { type = "cached", missing = { "Transfer-Encoding" } })
  for id, names in pairs { ["-single"] = { "a" }, [""] = { "a", "b" } } do
    local more = names[2] and { "c", "3" } or nil
    t.check("headers-omit-headers-listed-in-Cache-Control-no-cache" .. id,
      { res = { { "Cache-Control", ('no-cache="%s"'):format(table.concat(names, ", ")) },
        { "a", "1" }, { "b", "2" }, { "Cache-Control", "max-age=3600" }, { "Date", 0 }, more },
        setup = true, pause = true },
      { type = "cached", expect = { more or { "b", "2" } }, missing = names })
  end
end

local function of_304(t)
  t.required("304-lm-use-stored-Test-Header",
    { res = t.cc("max-age=2", { { "Last-Modified", LM }, { "Date", 0 }, { "Test-Header", "A" } }),
      setup = true, pause = true },
    { res = { { "Last-Modified", LM }, { "Date", 0 } }, type = "lm",
      expect = { { "Test-Header", "A" } } })
  local function confirmed(kind, name, a, b, expected, text)
    local tag = name ~= "ETag" and { "ETag", '"one"' } or nil
    local unchanged = b ~= expected
    local function step(value, more)
      local res = with_life(name, value, "max-age=2", more)
      res[2][3] = not unchanged
      return { res = res, expect_text = text }
    end
    local first, second, third = step(a, tag), step(b, tag), step(expected)
    first.setup, first.pause, first.text = true, true, text and "0123456789" or nil
    second.type, second.expect = "etag", { { name, expected } }
    third.type, third.expect = "cached", { { name, expected } }
    return t[kind]("304-etag-update-response-" .. name, first, second, third)
  end
  for _, h in ipairs(KEPT) do
    local a, b = h[2] or "value-a", h[3] or "value-b"
    confirmed(h.must and "required" or "check", h[1], a, b, b).fails = ANOTHER[h[1]]
    if h[1] ~= "Cache-Control" and h[1] ~= "ETag" then
      local function res(value)
        return with_life(h[1], value, "max-age=2", { "Last-Modified", LM })
      end
      t.own("304-lm-update-" .. h[1], { res = res(a), setup = true, pause = true },
        { res = res(b), type = "lm", expect = { { h[1], b } } },
        { type = "cached", expect = { { h[1], b } } })
    end
  end
  confirmed("required", "Content-Length", "5", "10", "5", "01234")
end

return function(t)
  of_storing(t)
  of_304(t)
end
