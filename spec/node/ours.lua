-- SPDX-License-Identifier: MIT

--- Source for node.fake: a peer that says it is one of our nodes and answers batches (wire/batch.h)
-- as a spec wants.
--
--   fake.start(ours(source), env)   source has functions of (request, c) that may use:
--     batch(request) -> op, keys           the request's
--     frame(i, value), frame(i, nil, code, message)   the answer to a key by its index, from 0
--     answer(c, status, body, headers)     a whole answer; headers is text
--     on_batch(request, c)                 is to be defined; not for values that are handed over.
--                                          GETs are answered with "<key> alone"
--     OURS                                 the header that says so

return function(source)
  return [[
    OURS = "X-Groupcache-Node: 1\r\n"
    local OPS = { [0] = "get", "remove", "flush", "set", "recent", "held", "hand" }
    function varint(n)
      local out = ""
      while n > 127 do
        out, n = out .. string.char(n % 128 + 128), math.floor(n / 128)
      end
      return out .. string.char(n)
    end
    local function bytes(number, text)
      return varint(number * 8 + 2) .. varint(#text) .. text
    end
    function frame(i, value, code, message)
      local body = varint(8) .. varint(i) .. (value and bytes(2, value)
        or bytes(3, code) .. bytes(4, message))
      return varint(#body) .. body
    end
    function batch(request)
      local at, keys, op = 1, {}, 0
      local function number()
        local n, factor = 0, 1
        while true do
          local b = request.body:byte(at)
          at, n, factor = at + 1, n + b % 128 * factor, factor * 128
          if b < 128 then return n end
        end
      end
      while at <= #request.body do
        local tag = number()
        local n = number()
        if tag == 8 then op = n end
        if tag % 8 == 2 then
          if tag == 18 then keys[#keys + 1] = request.body:sub(at, at + n - 1) end
          at = at + n
        end
      end
      return OPS[op], keys
    end
    function answer(c, status, body, headers)
      c:send(("HTTP/1.1 %d It\r\nContent-Length: %d\r\n%s\r\n%s"):format(status, #body,
        headers or OURS, body))
    end
    function value_of(request)
      return request.target:match "([^/]*)$" .. " alone"
    end
    ]] .. source .. [[
    return function(request, c)
      local op, keys
      if request.method == "POST" then op, keys = batch(request) end
      if op == "held" then
        local all = ""
        for i = 1, #keys do all = all .. frame(i - 1, nil, "NOTFOUND", "not held") end
        answer(c, 200, all)
      elseif op == "hand" then
        answer(c, 200, "")
      elseif op then
        on_batch(request, c)
      else
        answer(c, 200, bytes(1, value_of(request)),
          OURS .. "Content-Type: application/x-protobuf\r\n")
      end
    end
  ]]
end
