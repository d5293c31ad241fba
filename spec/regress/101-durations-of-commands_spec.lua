-- SPDX-License-Identifier: MIT

-- Commands took --timeout inf and nan, which are no number of milliseconds, and sent --ttl 1e300 as
-- a negative max-age.

local node = require "support.node"
local process = require "support.process"

describe("a duration of a command", function()
  for _, option in ipairs { "--timeout", "--ttl" } do
    it("must be a bounded number: " .. option, function()
      for _, text in ipairs { "inf", "nan", "1e300", "-1", "1000000001" } do
        local out = process.run { node.binary, "put", "g", "k", "v", option, text, timeout = 30 }
        assert.equal(2, out.code, text)
        assert.matches(("%s is %q, and must be a duration"):format(option, text), out.stderr, 1,
          true)
      end
    end)
  end
end)
