-- SPDX-License-Identifier: MIT

-- group:remove_tags said of a wrong list of tags that its keys were wrong.

local groupcache = require "groupcache"

describe("group:remove_tags", function()
  it("calls the tags of a wrong list tags", function()
    local g = groupcache.group("g", { getter = function() return nil end })
    local many = {}
    for i = 1, 10001 do
      many[i] = "t" .. i
    end
    for want, list in pairs {
      ["group:remove_tags: the tags are a string, and must be a list"] = "t",
      ["group:remove_tags: tag 2 is a number, and must be a string"] = { "t", 2 },
      ["group:remove_tags: 10001 tags, the limit is 10000"] = many,
    } do
      assert.error_matches(function() g:remove_tags(list) end, want, 1, true)
    end
    assert.error_matches(function() g:remove_many "t" end, "the keys are a string", 1, true)
  end)
end)
