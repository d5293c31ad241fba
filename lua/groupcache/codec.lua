-- SPDX-License-Identifier: MIT
-- groupcache.codec: converts between Lua values and the bytes that are cached and sent.
--
-- A codec is { encode = function(value) -> bytes | nil, err; decode = function(bytes) -> value |
-- nil, err }. Of the named ones encode gives a code, too, when the bytes are too many.

local core = require "groupcache.core"

local codec = {}

--- The metatable of groupcache.value().
codec.VALUE = { __name = "groupcache.value" }

-- Whether the answer with that status is a value, which a codec encodes.
local function is_value(status)
  return status == nil or type(status) == "number" and status >= 200 and status < 300
end

local CONTENT_TYPE = { json = "application/json", msgpack = "application/msgpack" }

local function named(format, max_bytes)
  return {
    encode = function(value) return core.encode(value, format, max_bytes) end,
    decode = function(bytes) return core.decode(bytes, format) end,
    content_type = CONTENT_TYPE[format],
  }
end

--- The codec of a group's option.
-- @param option "json", "msgpack" or a table with encode and decode
-- @param max_bytes at most as many come out of encode
-- @return codec; or nil, message
function codec.find(option, max_bytes)
  if type(option) == "table" then
    if type(option.encode) ~= "function" or type(option.decode) ~= "function" then
      return nil, "codec is a table without the functions encode and decode"
    end
    return option
  end
  if not CONTENT_TYPE[option] then
    return nil, ('codec is %q, and must be "json", "msgpack" or a table with encode and decode')
      :format(tostring(option))
  end
  return named(option, max_bytes)
end

-- Why a codec failed, as a text. No tostring() of an object: that may be its address.
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
-- @return bytes; or nil, message, code or nil
function codec.encode(name, c, value)
  local bytes, why, code = c.encode(value)
  if type(bytes) ~= "string" then
    return nil, ("group %s: the codec cannot encode the value: %s"):format(
      name, reason(bytes, why)), code
  end
  return bytes
end

--- The same for the body of a table with groupcache.value(): a copy with the bytes.
-- @return table; or nil, message, code or nil
function codec.encode_body(name, c, given)
  local copy = {}
  for field, value in pairs(given) do
    copy[field] = value
  end
  if given.body == nil or not is_value(given.status) then
    return copy
  end
  local why, code
  copy.body, why, code = codec.encode(name, c, given.body)
  if not copy.body then
    return nil, why, code
  end
  return copy
end

local function encoded(name, c, value, err, ttl)
  if value == nil or value == core.same then
    return value, err, ttl
  end
  if getmetatable(value) == codec.VALUE then
    local given, why, code = codec.encode_body(name, c, value)
    if not given then
      return nil, why, code
    end
    return given, err, ttl
  end
  local bytes, why, code = codec.encode(name, c, value)
  if not bytes then
    return nil, why, code
  end
  return bytes, err, ttl
end

--- Makes a getter that returns bytes from a getter that returns values.
function codec.wrap(name, c, getter)
  return function(key, ctx)
    if ctx and ctx.old then
      local decoded = codec.unwrap(name, c, ctx.old.value)
      ctx.old.value = decoded
      ctx.old = decoded ~= nil and ctx.old or nil
    end
    return encoded(name, c, getter(key, ctx))
  end
end

--- The three results of a get, with the bytes decoded, also those in the table of a full get.
function codec.unwrap(name, c, value, err, third)
  if value == nil or not c then
    return value, err, third
  end
  if type(value) == "table" then
    if is_value(value.status) then
      local why, code
      value.body, why, code = codec.unwrap(name, c, value.body)
      if value.body == nil then
        return nil, why, code
      end
    end
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
