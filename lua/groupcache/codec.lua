-- SPDX-License-Identifier: MIT
-- groupcache.codec: between the tables of Lua and the bytes that are cached and travel.
--
-- A codec is { encode = function(value) -> bytes | nil, err; decode = function(bytes) -> value |
-- nil, err }. The named ones load their library when a group first asks for them.

local codec = {}

local NAMED = {}

function NAMED.json()
  local cjson = require("cjson.safe").new()
  cjson.encode_sparse_array(true)
  return { encode = cjson.encode, decode = cjson.decode, content_type = "application/json" }
end

function NAMED.msgpack()
  local mpack = require "mpack"
  local function protected(f)
    return function(value)
      local ok, result = pcall(f, value)
      if ok then
        return result
      end
      return nil, result
    end
  end
  return { encode = protected(mpack.pack), decode = protected(mpack.unpack),
    content_type = "application/msgpack" }
end

--- The codec of a group's option.
-- @param option "json", "msgpack" or a table with encode and decode
-- @return codec; or nil, message
function codec.find(option)
  if type(option) == "table" then
    if type(option.encode) ~= "function" or type(option.decode) ~= "function" then
      return nil, "codec is a table without the functions encode and decode"
    end
    return option
  end
  local make = NAMED[option]
  if not make then
    return nil, ('codec is %q, and must be "json", "msgpack" or a table with encode and decode')
      :format(tostring(option))
  end
  local ok, found = pcall(make)
  if not ok then
    return nil, ("codec %q needs a library that is not installed: %s"):format(
      option, (tostring(found):match("^[^\n]*")))
  end
  return found
end

-- Why a codec gave nothing of use. Not tostring() of any object: that may be its address.
local function reason(result, why)
  local meta = type(why) == "table" and debug.getmetatable(why)
  if type(why) == "string" or type(why) == "number" or meta and meta.__tostring then
    return tostring(why)
  elseif why then
    return "its error is a " .. type(why)
  end
  return "it gave a " .. type(result)
end

--- The bytes of a value that is not nil.
-- @return bytes; or nil, message
function codec.encode(name, c, value)
  local bytes, why = c.encode(value)
  if type(bytes) ~= "string" then
    return nil, ("group %s: the codec cannot encode the value: %s"):format(
      name, reason(bytes, why))
  end
  return bytes
end

local function encoded(name, c, value, err, ttl)
  if value == nil then
    return value, err, ttl
  end
  local bytes, why = codec.encode(name, c, value)
  if not bytes then
    return nil, why
  end
  return bytes, err, ttl
end

--- A getter that gives bytes, made of one that gives values.
function codec.wrap(name, c, getter)
  return function(key, ctx)
    return encoded(name, c, getter(key, ctx))
  end
end

--- The three results of a get, with the bytes decoded.
function codec.unwrap(name, c, value, err, third)
  if value == nil or not c then
    return value, err, third
  end
  local decoded, why = c.decode(value)
  if decoded == nil then
    return nil, ("group %s: the codec cannot decode the value: %s"):format(
      name, reason(decoded, why)), "GETTER"
  end
  return decoded, err, third
end

return codec
