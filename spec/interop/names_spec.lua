-- SPDX-License-Identifier: MIT

-- docs/api.md says what stands for each name that Go's groupcache exports.

local tmp = require "support.tmp"

local SOURCE = "/usr/share/gocode/src/github.com/golang/groupcache/"

-- Names of the package itself, and the methods of the types whose methods are its interface.
local function exported()
  local names = {}
  for _, file in ipairs { "groupcache", "sinks", "peers", "http", "byteview" } do
    local source = "\n" .. tmp.read(SOURCE .. file .. ".go")
    for name in source:gmatch "\nfunc ([A-Z]%w*)%(" do
      names[name] = true
    end
    for name in source:gmatch "\ntype ([A-Z]%w*) " do
      names[name] = true
    end
    for class, name in source:gmatch "\nfunc %(%w+ %*?(%w+)%) ([A-Z]%w*)%(" do
      if class == "Group" or class == "HTTPPool" then
        names[class .. "." .. name] = true
      end
    end
  end
  return names
end

describe("docs/api.md", function()
  it("has a place for every name that Go's groupcache exports", function()
    local chapter = assert(tmp.read("docs/api.md"):match "\n## Coming from Go\n(.-)\n## ")
    local missing = {}
    for name in pairs(exported()) do
      if not chapter:find("`" .. name:gsub("%p", "%%%0") .. "[`(,]") then
        missing[#missing + 1] = name
      end
    end
    table.sort(missing)
    assert.same({}, missing)
  end)

  it("leaves nobody without an answer", function()
    local chapter = assert(tmp.read("docs/api.md"):match "\n## Coming from Go\n(.-)\n## ")
    for _, right in chapter:gmatch "\n|([^|\n]+)|([^|\n]*)|" do
      assert.matches("[%w-]", right)
    end
  end)
end)
