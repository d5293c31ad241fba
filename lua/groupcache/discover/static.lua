-- SPDX-License-Identifier: MIT
-- groupcache.discover.static: a list that does not change.

local HOUR = 3600

--- @param urls the list
-- @return source; or nil, message
return function(urls)
  if type(urls) ~= "table" then
    return nil, ("discover.static: a %s, and must be a list of URLs"):format(type(urls))
  end
  for i = 1, #urls do
    if type(urls[i]) ~= "string" then
      return nil, ("discover.static: item %d is a %s, and must be a URL"):format(i, type(urls[i]))
    end
  end
  return {
    name = "static:" .. table.concat(urls, ","):sub(1, 200),
    look = function() return urls, nil, HOUR end,
  }
end
