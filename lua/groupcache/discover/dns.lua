-- SPDX-License-Identifier: MIT
-- groupcache.discover.dns: a list in the records of a name: A and AAAA, or SRV. The name is looked
-- up again when the first record expires.
--
-- The same peer has the same URL on every node: addresses in digits, IPv6 in brackets, names in
-- lower case without a dot at the end, a port always.

local core = require "groupcache.core"
local options = require "groupcache.options"
local wait = require "groupcache.wait"

local SCHEMA = {
  name = { kind = "text", required = true },
  port = { kind = "integer", min = 1, max = 65535 },
  srv = { kind = "boolean", default = false },
  scheme = { kind = "enum", values = { "http", "https" }, default = "http" },
  server = { kind = "text" },
  least = { kind = "duration", default = 1, above_zero = true },
  most = { kind = "duration", default = 30, above_zero = true },
}

local Dns = {}
Dns.__index = Dns

-- The records of one type; none if the name has none.
local function ask(self, kind)
  local op, err = core.dns(self.name_asked, kind, self.server)
  if not op then
    return nil, err
  end
  wait.await(op, "discover.dns")
  return core.dns_result(op)
end

-- All records of the name; or nil, message. Half of them would be a wrong list.
function Dns:records()
  local all = {}
  for _, kind in ipairs(self.srv and { "SRV" } or { "A", "AAAA" }) do
    local list, err = ask(self, kind)
    if not list then
      return nil, err
    end
    for _, record in ipairs(list) do
      all[#all + 1] = record
    end
  end
  return all
end

function Dns:look()
  local records, err = self:records()
  if not records then
    return nil, err
  end
  local urls, seconds = {}, self.most
  for i, record in ipairs(records) do
    local host = record.text:find(":", 1, true) and "[" .. record.text .. "]" or record.text
    urls[i] = ("%s://%s:%d"):format(self.scheme, host, self.srv and record.port or self.port)
    seconds = math.min(seconds, record.ttl)
  end
  -- So that nodes do not ask together. Not before the record has expired, which would be in vain.
  return urls, nil, math.max(seconds, self.least) * (1 + math.random() / 10)
end

--- @param given { name =, port = of A and AAAA records, srv = boolean, scheme = "http", server =
--   "ADDRESS:PORT" of a name server, least = and most = seconds between looks [1, 30] }
-- @return source; or nil, message
return function(given)
  local o, err = options.check(SCHEMA, given, "discover.dns")
  if not o then
    return nil, err
  elseif not o.srv == not o.port then
    return nil, "discover.dns: " .. (o.srv and "srv is true, and port is given: the records have it"
      or "port is missing: A and AAAA records have none")
  end
  return setmetatable({
    name = o.srv and "dns+srv://" .. o.name or ("dns://%s:%d"):format(o.name, o.port),
    name_asked = o.name, port = o.port, srv = o.srv, scheme = o.scheme, server = o.server,
    least = o.least / 1000, most = o.most / 1000,
  }, Dns)
end
