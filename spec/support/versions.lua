-- SPDX-License-Identifier: MIT

--- versions.at_least(library, version) -> boolean
--
-- For what differs between versions of a library, such as ("libmicrohttpd", "1.0"). The library is
-- named as pkg-config knows it.

local process = require "support.process"

local versions = {}
local found = {} -- library -> its version

local function numbers(version)
  local list = {}
  for digits in version:gmatch "%d+" do
    list[#list + 1] = tonumber(digits)
  end
  return list
end

function versions.at_least(library, version)
  if not found[library] then
    local r = process.run { "pkg-config", "--modversion", library }
    assert(r.code == 0, r.stderr)
    found[library] = r.stdout
  end
  local have, want = numbers(found[library]), numbers(version)
  for i, number in ipairs(want) do
    if (have[i] or 0) ~= number then
      return (have[i] or 0) > number
    end
  end
  return true
end

return versions
