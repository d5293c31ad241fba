-- SPDX-License-Identifier: MIT
-- groupcache.cli.client: what commands need to ask nodes.
--
-- A command ends with one of client.STATUS: FINE; FAILED, by the node's word, or since there is no
-- value; USAGE, the command line is wrong; AWAY, a node could not be reached.

local core = require "groupcache.core"

local client = {}

client.STATUS = { FINE = 0, FAILED = 1, USAGE = 2, AWAY = 3 }

local Client = {}
Client.__index = Client

function client.complain(message)
  io.stderr:write("groupcached: ", message, "\n")
end

--- Ends the process with USAGE when the files of the options are of no use.
-- @param options of the command: timeout, ca, cert, key
function client.new(options)
  local raw, message = core.client(options.cert, options.key)
  if not raw then
    client.complain(message)
    os.exit(client.STATUS.USAGE)
  end
  return setmetatable({ raw = raw, options = options }, Client)
end

--- The path of a group, or of a key in it.
function client.path(start, group, key)
  return start .. core.escape(group) .. (key and "/" .. core.escape(key) or "")
end

--- One exchange.
-- @param request { url =, method =, headers = { lines }, body = }
-- @return the answer; or nil, message: no answer came
function Client:send(request)
  self:begin(request)
  return select(3, self:next())
end

--- Begins an exchange. next() waits for the end of any of them.
-- @return its number
function Client:begin(request)
  request.timeout_ms = math.max(1, math.floor((self.options.timeout or 10) * 1000))
  request.ca_file = self.options.ca
  return self.raw:begin(request)
end

--- @return the number of an exchange that has ended, the seconds that it took, then as send(); or
-- nothing when none is under way
function Client:next()
  return self.raw:next()
end

-- Of a status that a getter gave, as Lua's group:get has it.
local function code_of(status)
  return (status == 404 or status == 410) and "NOTFOUND" or "GETTER"
end

--- What an answer says that is no success: its text and its code.
function client.words_of(answer)
  local ok, said = pcall(core.decode, answer.body, "json")
  if ok and type(said) == "table" and said.error then
    return said.error, said.code
  end
  if answer.headers["x-cache"] then
    return ("the answer for this key has the status %d, and is no value"):format(answer.status),
      code_of(answer.status)
  end
  return ("status %d"):format(answer.status), "PEER"
end

--- A view of operators, decoded from JSON.
-- @return the table; or nil, message, the exit status
function Client:view(admin, path)
  local answer, message = self:send { url = admin .. path }
  if not answer then
    return nil, message, client.STATUS.AWAY
  elseif answer.status ~= 200 then
    return nil, ("%s%s: %s"):format(admin, path, (client.words_of(answer))), client.STATUS.FAILED
  end
  local ok, view = pcall(core.decode, answer.body, "json")
  if not ok or type(view) ~= "table" then
    return nil, ("%s%s is not from a node: it is no JSON"):format(admin, path),
      client.STATUS.FAILED
  end
  return view
end

--- The same URL, so many ports higher; nil: it has no port that can be.
function client.shifted(url, by)
  local start, port, rest = url:match "^(%a+://.-):(%d+)(/?)$"
  port = port and tonumber(port) + by
  return port and port > 0 and port <= 65535 and start .. ":" .. port .. rest or nil
end

--- Finds the operators' address of the node.
-- @return the URL, its /stats; or nil, message, the exit status
function Client:admin()
  local o = self.options
  local places = { o.admin }
  if not o.admin then
    places = { o.node, client.shifted(o.node, 1000) }
  end
  local message, status
  for _, place in ipairs(places) do
    place = place:gsub("/+$", "")
    local stats, err, code = self:view(place, "/stats")
    if stats then
      return place, stats
    end
    message, status = message or err, math.max(status or 0, code)
  end
  if not o.admin then
    message = message .. " (--admin says where a node's admin_listen is)"
  end
  return nil, message, status
end

--- Text of a node: JSON has a byte above 127 as one character of two bytes. Gives the bytes.
function client.bytes(text)
  return (text:gsub("([\194\195])([\128-\191])", function(a, b)
    return string.char((a:byte() - 192) * 64 + b:byte() - 128)
  end))
end

--- Bytes that may go to a terminal: no control characters.
function client.shown(bytes)
  return (bytes:gsub("[%z\1-\31\127]", function(c) return ("\\x%02x"):format(c:byte()) end))
end

return client
