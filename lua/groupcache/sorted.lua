-- SPDX-License-Identifier: MIT
-- groupcache.sorted: the keys of a table in their order, for what people and machines read again.

--- @param t a table with keys that can be compared
-- @return a list of them
return function(t)
  local keys = {}
  for key in pairs(t) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end
