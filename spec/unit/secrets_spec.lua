-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local tmp = require "support.tmp"
local C = require("support.unit").load("base/secrets.h", "base/err.h")

local A, B, D = ("a"):rep(16), ("b"):rep(40), ("d"):rep(16)

local function read(text, path)
  local e = ffi.new "struct error"
  local s = C.secrets_read(text, path, e)
  if s == nil then
    return nil, ffi.string(e.msg)
  end
  local list = {}
  for i = 1, tonumber(s.n) do
    list[i] = ffi.string(s.list[i - 1])
  end
  C.secrets_unref(s)
  return list
end

describe("secrets", function()
  it("are those of the text, then those of the file, in their order", function()
    local path = tmp.file(B .. " \r\n\n  " .. D .. "\n")
    assert.same({ A, B }, read(A .. ", " .. B))
    assert.same({ B, D }, read(nil, path))
    assert.same({ A, B, D }, read(A, path))
  end)

  it("are refused without being told", function()
    local many = {}
    for i = 1, 9 do
      many[i] = A .. i
    end
    local short, empty = tmp.file "short", tmp.file "\n \n"
    local binary = tmp.file(A .. "\0")
    for said, given in pairs {
      ["peer_secret: a secret has 5 bytes, and must have 16 or more"] = { "short" },
      ["peer_secret_file: a secret has 5 bytes, and must have 16 or more"] = { nil, short },
      ["peer_secret: there are more than 8 secrets"] = { table.concat(many, ",") },
      ["peer_secret_file " .. empty .. " has no secret"] = { nil, empty },
      ["peer_secret has no secret"] = { " , " },
      ["peer_secret_file /nowhere: No such file or directory"] = { nil, "/nowhere" },
      ["peer_secret_file " .. binary .. ": it is no text of at most 64 KiB"] = { nil, binary },
    } do
      local list, err = read(given[1], given[2])
      assert.is_nil(list)
      assert.equal(said, err)
    end
  end)
end)
