-- SPDX-License-Identifier: MIT
-- Headers as a list of { name, value }, in lower case and in their order. Pure functions.

local headers = {}

-- RFC 9110, 7.6.1, and those that say where a message ends.
local OF_CONNECTION = {
  connection = true, ["keep-alive"] = true, ["proxy-connection"] = true, te = true,
  trailer = true, upgrade = true, ["transfer-encoding"] = true, ["content-length"] = true,
  ["proxy-authenticate"] = true, ["proxy-authentication-info"] = true,
}

--- From names and values in turn.
function headers.from_flat(flat)
  local out = {}
  for i = 1, #flat, 2 do
    out[#out + 1] = { flat[i]:lower(), flat[i + 1] }
  end
  return out
end

--- All values of a name, joined by ", " as RFC 9110 5.3 has it; or nil.
function headers.get(list, name)
  local found
  for _, h in ipairs(list) do
    if h[1] == name then
      found = found and found .. ", " .. h[2] or h[2]
    end
  end
  return found
end

--- A copy without the names of a set.
function headers.without(list, names)
  local out = {}
  for _, h in ipairs(list) do
    if not names[h[1]] then
      out[#out + 1] = h
    end
  end
  return out
end

--- A copy without what is about a connection, or about the length.
function headers.end_to_end(list)
  local names = {}
  for name in (headers.get(list, "connection") or ""):lower():gmatch "[^%s,]+" do
    names[name] = true
  end
  for name in pairs(OF_CONNECTION) do
    names[name] = true
  end
  local out = {}
  for _, h in ipairs(headers.without(list, names)) do
    if h[1]:sub(1, 12) ~= "x-groupcache" then -- they are between our nodes
      out[#out + 1] = h
    end
  end
  return out
end

--- The stored headers with those of a newer message (RFC 9111, 3.2).
function headers.update(stored, newer)
  local names = {}
  for _, h in ipairs(newer) do
    names[h[1]] = true
  end
  local out = headers.without(stored, names)
  for _, h in ipairs(newer) do
    out[#out + 1] = h
  end
  return out
end

return headers
