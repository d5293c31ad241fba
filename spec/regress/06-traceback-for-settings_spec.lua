-- SPDX-License-Identifier: MIT

-- A function among the settings ended groupcached with a traceback of its own modules, bytecode
-- with a message that named no file.

local node = require "support.node"
local process = require "support.process"
local tmp = require "support.tmp"

describe("a script that cannot be taken", function()
  local function message(bytes)
    local out = process.run { node.binary, "check", tmp.file(bytes, "node.lua"), timeout = 20 }
    assert.equal(1, out.code)
    assert.equal(1, select(2, out.stderr:gsub("\n", "")), out.stderr)
    return out.stderr
  end

  it("for a function among its settings is refused in one line", function()
    assert.matches("node%.lua: setting \"listen\" is a function",
      message "return { listen = print }")
    assert.matches("node%.lua: setting \"tls\" is a function",
      message "return { tls = { cert = { print } } }")
  end)

  it("for being bytecode is named", function()
    assert.matches("node%.lua is bytecode", message(string.dump(function() end)))
  end)
end)
