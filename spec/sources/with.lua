-- SPDX-License-Identifier: MIT

--- local only_with_server = require "sources.with"(postgres, it, pending)
--- only_with_server(what, fn) is it(what, fn) if the server's module finds its server here. Else
--- the spec is pending, and says what is missing.

return function(server, it, pending)
  return function(what, fn)
    it(what, function()
      if server.missing then
        pending(server.missing)
      end
      fn()
    end)
  end
end
