-- SPDX-License-Identifier: MIT
-- groupcache.discover.address: sources of peers as texts, for flags and the environment.
--
--   etcd://[USER:PASSWORD@]HOST:PORT,HOST:PORT/PREFIX   etcds: over TLS
--   consul://HOST:PORT/SERVICE
--   dns://NAME:PORT          A and AAAA
--   dns+srv://NAME
--   file:PATH
--
-- Options follow a question mark: ?ttl=5&scheme=https

local core = require "groupcache.core"

local address = {}

local SCHEMES = { etcd = true, etcds = true, consul = true, dns = true, ["dns+srv"] = true,
  file = true }

local HELP = "etcd://HOST:PORT,HOST:PORT/PREFIX, consul://HOST:PORT/SERVICE, dns://NAME:PORT, "
  .. "dns+srv://NAME or file:PATH"

--- Whether a value is a text that names a source, right or wrong.
function address.is_one(value)
  local scheme, rest = (type(value) == "string" and value or ""):match("^(%w[%w+]*):(.*)$")
  if not scheme or scheme == "http" or scheme == "https" then
    return false
  end
  return SCHEMES[scheme] or rest:sub(1, 2) == "//"
end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- Of the text behind the question mark; numbers and yes and no have their own types.
local function read_options(text, out)
  for pair in (text or ""):gmatch("[^&]+") do
    local name, value = pair:match("^([%w_]+)=(.*)$")
    if not name then
      return nil, "an option behind the question mark does not have the form name=value"
    end
    value = unescape(value)
    local known = { yes = true, no = false }
    if name == "token" or name == "password" then
      out[name] = value
    elseif known[value] ~= nil then
      out[name] = known[value]
    else
      out[name] = tonumber(value) or value
    end
  end
  return out
end

-- Messages about hosts show them, so what may be a part of a password is none.
local function is_host(text)
  return text:find "^%[[%x:.]+%]:?%d*$" or text:find "^[^:@%[]+:?%d*$"
end

local READ = {}

function READ.file(rest, out)
  out.path = rest
  return "file"
end

function READ.dns(rest, out)
  local name, port = rest:match("^//([^/:]+):(%d+)/?$")
  if not name then
    return nil, "it must be dns://NAME:PORT"
  end
  out.name, out.port = name, tonumber(port)
  return "dns"
end

READ["dns+srv"] = function(rest, out)
  local name = rest:match("^//([^/:]+)/?$")
  if not name then
    return nil, "it must be dns+srv://NAME, without a port, which the records have"
  end
  out.name, out.srv = name, true
  return "dns"
end

function READ.consul(rest, out)
  local host, service = rest:match("^//([^/]+)/([^/]+)$")
  if not host or not is_host(host) then
    return nil, "it must be consul://HOST:PORT/SERVICE"
  end
  out.address, out.service = host, unescape(service)
  return "consul"
end

local function read_etcd(rest, out, scheme)
  local authority, prefix = rest:match("^//([^/]+)(/.+)$")
  local user, password, hosts = (authority or ""):match("^([^:@]+):([^@]*)@(.*)$")
  if user then
    out.user, out.password = unescape(user), unescape(password)
  end
  out.endpoints, out.prefix = {}, prefix
  for host in (hosts or authority or ""):gmatch("[^,]+") do
    if not is_host(host) then
      prefix = nil
    end
    table.insert(out.endpoints, scheme .. host)
  end
  if not prefix or not user and prefix:find "@" then
    return nil, "it must be etcd://HOST:PORT,HOST:PORT/PREFIX/, with USER:PASSWORD@ before the "
      .. "first HOST if need be, in which %40, %2F, %3A and %3F stand for @ / : and ?"
  end
  return "etcd"
end

function READ.etcd(rest, out) return read_etcd(rest, out, "http://") end

function READ.etcds(rest, out) return read_etcd(rest, out, "https://") end

-- What may be shown of an address: all but a password or a token. A password that is not escaped
-- may have any character.
local function public(text)
  return (text:gsub("//([^:@/]*):.*@", "//%1:***@"):gsub("([?&]%w*token=)[^&]*", "%1***")
    :gsub("([?&]password=)[^&]*", "%1***"))
end

--- The kind and the options that an address names.
-- @return kind, options; or nil, message
function address.parse(text)
  local scheme, rest = text:match("^(%w[%w+]*):(.*)$")
  if not scheme or not SCHEMES[scheme] then
    return nil, ("%s is no source of peers: it may be %s"):format(core.quote(public(text)), HELP)
  end
  local before, options = rest:match("^(.-)%?(.*)$")
  local out, err = read_options(options, {})
  local kind
  if out then
    kind, err = READ[scheme](before or rest, out)
  end
  if not kind then
    return nil, ("peers are %s: %s"):format(core.quote(public(text)), err)
  end
  return kind, out
end

return address
