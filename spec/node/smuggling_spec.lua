-- SPDX-License-Identifier: MIT

-- Requests whose end two servers could see in different places, sent to a node and through nginx,
-- which keeps its connections to the node. Each has another request inside of what may be its body.
-- That may never be carried out, and nobody may get its answer.

local http = require "support.http"
local nginx = require "support.nginx"
local node = require "support.node"
local rig = require "node.rig"
local sorted = require "groupcache.sorted"

local LENGTHS = { "+%d", "%d,%d", "%d, %d", "0x%x", "-1", "", "%d;x", "1e2", "%dZ", "\11%d", "'%d'",
  "99999999999999999999999", "%d %d", "18446744073709551616", "0\r\nContent-Length: %d",
  "%d\r\nContent-Length: 0", "%d\r\nContent-Length: %d", "%d\r\ncontent-length: 7" }

local HEAD, BODY = "Transfer-Encoding: chunked\r\n\r\n", "HEX\r\nINSIDE\r\n0\r\n\r\n"

local ENCODINGS = { "xchunked", "identity", "gzip, chunked", "chunked, gzip", "chunked, chunked",
  '"chunked"', "", "chunked;q=1", "\11chunked\11x", "\12chunked",
  "chunked\r\n identity", "chun\r\n ked",
  "chunked\r\nTransfer-Encoding: identity", "identity\r\nTransfer-Encoding: chunked",
  "chunked\r\nContent-Length: 4", "cow\r\nTransfer-Encoding: chunked" }

-- Headers and what follows them. INSIDE is the other request, SIZE its length, HEX that in hex.
local FORMS = {
  ["a space before the colon of a length"] = "Content-Length : SIZE\r\n\r\nINSIDE",
  ["a tab before the colon of an encoding"] = "Transfer-Encoding\t: chunked\r\n\r\n" .. BODY,
  ["a folded length"] = "Content-Length:\r\n SIZE\r\n\r\nINSIDE",
  ["a length folded by a tab"] = "Content-Length: \r\n\tSIZE\r\n\r\nINSIDE",
  ["a folded encoding"] = "Transfer-Encoding:\r\n chunked\r\n\r\n" .. BODY,
  ["a length behind a bare CR"] = "X-Any: a\rContent-Length: SIZE\r\n\r\nINSIDE",
  ["a length behind a NUL"] = "X-Any: a\0\r\nContent-Length: SIZE\r\n\r\nINSIDE",
  ["a length in a first folded line"] = " Content-Length: SIZE\r\nX-Any: a\r\n\r\nINSIDE",
  ["a line that is no header"] = "Content-Length\r\nX-Any: a\r\n\r\n",
  ["an encoding with a length before it"] = "Content-Length: SIZE\r\n"
    .. HEAD .. "0\r\n\r\nINSIDE",
  ["an encoding with a length behind it"] = "Transfer-Encoding: chunked\r\n"
    .. "Content-Length: 5\r\n\r\n0\r\n\r\nINSIDE",
  ["an encoding of HTTP/1.0"] = { HEAD .. BODY, "1.0" },
  ["an encoding of HTTP/1.9"] = { HEAD .. BODY, "1.9" },
  ["two Hosts, and a length"] = "Host: y\r\nContent-Length: SIZE\r\n\r\nINSIDE",
  ["a chunk of +"] = HEAD .. "+HEX\r\nINSIDE\r\n0\r\n\r\n",
  ["a chunk of 0x"] = HEAD .. "0xHEX\r\nINSIDE\r\n0\r\n\r\n",
  ["a chunk over 64 bits"] = HEAD .. "fffffffffffffffff0\r\nINSIDE",
  ["a chunk of minus one"] = HEAD .. "-1\r\nINSIDE",
  ["chunks that end in a bare LF"] = HEAD .. "HEX\nINSIDE\n0\n\n",
  ["a chunk with a bare CR"] = HEAD .. "HEX\rINSIDE\r\n0\r\n\r\n",
  ["a chunk with an extension"] = HEAD .. 'HEX;a="\r\nINSIDE\r\n0\r\n\r\n',
  ["a chunk with a NUL"] = HEAD .. "HEX\0\r\nINSIDE\r\n0\r\n\r\n",
  ["a chunk that is longer than it says"] = HEAD .. "1\r\naaa\r\n0\r\n\r\nINSIDE",
  ["trailers with a length"] = HEAD .. "1\r\na\r\n0\r\nContent-Length: SIZE\r\n\r\nINSIDE",
}
for _, length in ipairs(LENGTHS) do
  FORMS["a length of " .. length] = "Content-Length: " .. length .. "\r\n\r\nINSIDE"
end
for _, encoding in ipairs(ENCODINGS) do
  FORMS["an encoding of " .. encoding] = "Transfer-Encoding: " .. encoding
    .. "\r\n\r\n" .. BODY
end

-- Where all agree that the body has ended, a request may follow.
local FOLLOWS = {
  ["trailers with a length"] = true,
}

local names = sorted(FORMS)

local function readable(name)
  return (name:gsub("%c", function(c) return ("\\%d"):format(c:byte()) end))
end

describe("a request inside of another's body", function()
  local r, n, front, serial = nil, nil, {}, 0

  setup(function()
    r = rig.new()
    n = node.start { script = r:script [[
      require("groupcache").group("g", { writable = true, getter = function(key)
        rig.record(key)
        return "v:" .. key
      end })
    ]] }
    front.directly = n
    for _, buffering in ipairs { "on", "off" } do
      front["behind nginx, request buffering " .. buffering] = nginx.start {
        http = ("upstream up { server 127.0.0.1:%d; keepalive 2; }"):format(n.port),
        config = "location / { proxy_pass http://up; proxy_http_version 1.1; "
          .. "proxy_set_header Connection ''; proxy_request_buffering " .. buffering .. "; }" }
    end
  end)

  teardown(function()
    for _, server in pairs(front) do
      if server ~= n then
        server:stop()
      end
    end
    rig.stop(n)
  end)

  local function bytes_of(form, method, key)
    local text, version = form, "1.1"
    if type(form) == "table" then
      text, version = form[1], form[2]
    end
    local inside = ("GET /cache/g/%s HTTP/1.1\r\nHost: x\r\n\r\n"):format(key)
    text = text:gsub("%%d", #inside):gsub("%%x", ("%x"):format(#inside))
      :gsub("SIZE", #inside):gsub("HEX", ("%x"):format(#inside)):gsub("INSIDE", inside)
    return ("%s /cache/g/outer HTTP/%s\r\nHost: x\r\n%s"):format(method, version, text)
  end

  for _, how in ipairs { "directly", "behind nginx, request buffering on",
    "behind nginx, request buffering off" } do
    for _, name in ipairs(names) do
      it(("is not carried out %s: %s"):format(how, readable(name)), function()
        local directly = how == "directly"
        for _, method in ipairs(directly and { "PUT", "GET", "POST", "DELETE" } or { "PUT", "GET" })
        do
          serial = serial + 1
          local key, port = "inside-" .. serial, front[how].port
          local got = http.raw("127.0.0.1", port, bytes_of(FORMS[name], method, key),
            { timeout = 0.2, half_close = directly }) -- nginx would take that for a client who left
          if not FOLLOWS[name] then
            assert(not got:find("v:" .. key, 1, true), method .. ": " .. got)
          end
          for i = 1, 2 do -- the connections that nginx has kept
            local probe = "probe-" .. serial .. "-" .. i
            local res = assert(http.request { port = port, target = "/cache/g/" .. probe })
            assert.same({ 200, "v:" .. probe }, { res.status, res.body }, method)
          end
          if not FOLLOWS[name] then
            assert.is_nil(r:calls()[key], method)
          end
        end
      end)
    end
  end

  it("has left the node as it was", function()
    assert.equal("v:fine", assert(n:get("g", "fine")).body)
    assert.is_nil(n:logged "level=error")
  end)
end)
