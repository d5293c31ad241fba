-- SPDX-License-Identifier: MIT

--- local only_with_server = require "sources.with"(postgres, it, function(why) pending(why) end)
--- only_with_server(what, fn) is it(what, fn) if the server's module finds its server here. Else
--- the spec is pending, and says what is missing.

-- skip() is made in the spec file, since pending() is another function there in each block.
return function(server, it, skip)
  return function(what, fn)
    it(what, function()
      if server.missing then
        skip(server.missing)
      end
      fn()
    end)
  end
end
