-- SPDX-License-Identifier: MIT
-- groupcache.discover.base64: RFC 4648, section 4, as etcd's JSON has keys and values.

local base64 = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local DIGIT, VALUE = {}, {}
for i = 1, #ALPHABET do
  DIGIT[i - 1], VALUE[ALPHABET:byte(i)] = ALPHABET:sub(i, i), i - 1
end

--- The bytes in base64, with = at the end.
function base64.encode(bytes)
  return (bytes:gsub("..?.?", function(part)
    local a, b, c = part:byte(1, 3)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    return DIGIT[math.floor(n / 262144)] .. DIGIT[math.floor(n / 4096) % 64]
      .. (b and DIGIT[math.floor(n / 64) % 64] or "=") .. (c and DIGIT[n % 64] or "=")
  end))
end

--- The bytes of a text in base64; nil if it is none.
function base64.decode(text)
  if #text % 4 ~= 0 or not text:find("^[%w+/]*=?=?$") then
    return nil
  end
  return (text:gsub("....", function(part)
    local a, b, c, d = part:byte(1, 4)
    local n = VALUE[a] * 262144 + VALUE[b] * 4096 + (VALUE[c] or 0) * 64 + (VALUE[d] or 0)
    local bytes = string.char(math.floor(n / 65536), math.floor(n / 256) % 256, n % 256)
    return bytes:sub(1, VALUE[d] and 3 or VALUE[c] and 2 or 1)
  end))
end

return base64
