-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "peer/names.h"

local function address(text)
  local a = ffi.new "struct address"
  assert.equal(1, C.address_parse(text, #text, a))
  return a
end

describe("names", function()
  local names

  before_each(function()
    names = C.names_new()
  end)

  after_each(function()
    C.names_unref(names)
  end)

  it("have the addresses that the system has for them", function()
    local name = C.names_get(names, "localhost", 9)
    C.names_settle(names)
    assert.equal(1, C.names_have(name, address "127.0.0.1"))
    assert.equal(0, C.names_have(name, address "127.0.0.2"))
    C.names_give_back(name)
  end)

  it("that nobody knows have no address", function()
    local name = C.names_get(names, "nobody.invalid", 14)
    C.names_settle(names)
    assert.equal(0, C.names_have(name, address "127.0.0.1"))
    C.names_give_back(name)
  end)

  it("are looked up once for all who want them", function()
    local one, other = C.names_get(names, "localhost", 9), C.names_get(names, "localhost:80", 9)
    assert.equal(one, other)
    C.names_give_back(other)
    C.names_settle(names)
    assert.equal(1, C.names_have(one, address "127.0.0.1"))
    C.names_give_back(one)
  end)

  it("outlive the owner of the set, until the last is given back", function()
    local own = C.names_new()
    local name = C.names_get(own, "localhost", 9)
    C.names_settle(own)
    C.names_unref(own)
    assert.equal(1, C.names_have(name, address "127.0.0.1"))
    C.names_give_back(name)
  end)

  it("may be given back while they are looked up", function()
    for i = 1, 20 do
      local host = "gone" .. i .. ".invalid"
      C.names_give_back(C.names_get(names, host, #host))
      C.names_again(names)
    end
    C.names_settle(names)
  end)
end)
