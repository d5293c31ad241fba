-- SPDX-License-Identifier: MIT

-- Functions that call themselves through C functions without end overflowed the C stack before
-- Lua's own, and the node crashed: a template that includes itself was enough.

local cjson = require "cjson"
local node = require "support.node"
local process = require "support.process"
local tmp = require "support.tmp"

describe("calls without end", function()
  it("through string.gsub, table.sort, string.format or load are an error", function()
    local n = node.start { args = { "--workers", "1" }, script = [[
      local templates = { page = "<p>{page}</p>" }
      local function expand(name)
        return (templates[name]:gsub("{(%w+)}", expand))
      end
      local function sort() table.sort({ 3, 2, 1 }, sort) end
      local shown = setmetatable({}, { __tostring = function(t) return ("%s"):format(t) end })
      local function read() return load(read) end
      local deep = { gsub = function() return expand "page" end, sort = sort, load = read,
        format = function() return tostring(shown) end }
      require("groupcache").group("g", {
        timeout = 30,
        getter = function(key)
          if deep[key] then return deep[key]() end
          return "fine"
        end,
      })
    ]] }
    for _, key in ipairs { "gsub", "sort", "format", "load", "gsub" } do
      local res = assert(n:get("g", key, { timeout = 40 }))
      assert.same({ 502, "GETTER" }, { res.status, cjson.decode(res.body).code }, key)
      assert.equal("fine", assert(n:get("g", "after " .. key)).body)
    end
    assert.equal(0, (n:stop()))
  end)

  it("while the script is read keep the node from starting", function()
    local out = process.run { node.binary, "check", timeout = 40, tmp.file([[
      local function expand() return (("{x}"):gsub("{(%w+)}", expand)) end
      expand()
    ]], "node.lua") }
    assert.equal(1, out.code)
    assert.matches("node.lua:1: stack overflow", out.stderr, 1, true)
  end)
end)
