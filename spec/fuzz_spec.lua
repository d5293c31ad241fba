-- SPDX-License-Identifier: MIT

-- Each target of `make fuzz` over the inputs that are kept in the tree, those that once found
-- something among them. It is built without libFuzzer, by the compiler of the program.

local lfs = require "lfs"
local process = require "support.process"
local tmp = require "support.tmp"

local build = os.getenv "BUILD" or "build"
local CORPUS = "spec/fuzz/corpus/"

local function files(folder)
  local list = {}
  for name in lfs.dir(folder) do
    if name:sub(1, 1) ~= "." then
      list[#list + 1] = folder .. "/" .. name
    end
  end
  table.sort(list)
  return list
end

local targets = {}
for name in lfs.dir "spec/fuzz" do
  local target = name:match "^(%l+)%.c$"
  if target and target ~= "replay" then
    targets[#targets + 1] = target
  end
end
table.sort(targets)

-- What `make fuzz` makes itself.
local function seeds(target)
  if target ~= "fetch" then
    return files(CORPUS .. target)
  end
  local folder = tmp.dir()
  local made = process.run { "luajit", "spec/fuzz/seeds.lua", folder }
  assert(made.code == 0, made.stderr)
  return files(folder)
end

describe("the fuzz target", function()
  for _, target in ipairs(targets) do
    it(target .. " takes every input that is kept", function()
      local list = seeds(target)
      assert.is_true(#list > 0, "no inputs")
      local got = process.run { build .. "/test/replay/" .. target, timeout = 60, unpack(list) }
      assert.equal(0, got.code, got.stderr)
    end)
  end
end)
