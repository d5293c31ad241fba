-- SPDX-License-Identifier: MIT
-- groupcache.discover.file: a list in a file: one URL a line, or the JSON of Prometheus' file_sd.
--
-- The file is looked at each second by its path: device, inode, size and time. This sees a write in
-- place, a rename over it, and the swapped link of a Kubernetes ConfigMap, on every file system.
-- inotify would be blind after the first rename, and on network file systems.

local core = require "groupcache.core"
local options = require "groupcache.options"

local SCHEMA = {
  path = { kind = "text", required = true },
  interval = { kind = "duration", default = 1, above_zero = true },
  scheme = { kind = "enum", values = { "http", "https" }, default = "http" },
}

local MAX_BYTES = 4 * 2 ^ 20

local File = {}
File.__index = File

-- Lines may end with CR LF; # begins a comment.
local function read_lines(text)
  local urls = {}
  for line in text:gmatch("[^\r\n]+") do
    local url = line:gsub("%s*#.*$", ""):match("^%s*(.-)%s*$")
    if url ~= "" then
      urls[#urls + 1] = url
    end
  end
  return urls
end

-- An object would be taken for an empty list.
local function is_list(value)
  return type(value) == "table" and (#value > 0 or next(value) == nil)
end

local function read_json(text, scheme)
  local groups, err = core.decode(text, "json")
  if not is_list(groups) or text:find "^%s*{" then
    return nil, err or "the JSON is no list"
  end
  local urls = {}
  for _, group in ipairs(groups) do
    local targets = type(group) == "table" and group.targets
    if not is_list(targets) then
      return nil, 'an entry of the JSON has no list "targets"'
    end
    local own = type(group.labels) == "table" and group.labels.__scheme__
    for _, target in ipairs(targets) do
      urls[#urls + 1] = type(target) == "string" and target:find("://", 1, true) and target
        or ("%s://%s"):format(own or scheme, tostring(target))
    end
  end
  return urls
end

local function read_file(path)
  local file, err = io.open(path, "rb")
  if not file then
    return nil, err
  end
  local text
  text, err = file:read(MAX_BYTES + 1)
  file:close()
  if err then
    return nil, ("%s: %s"):format(path, err)
  elseif text and #text > MAX_BYTES then
    return nil, ("%s: the file has more than %d bytes"):format(path, MAX_BYTES)
  end
  return text or ""
end

local function is_json(text)
  return text:find("^%s*[%[{]")
end

-- A text may be half of what is being written, if its last line has no end. Half of a JSON text
-- cannot be read anyway.
local function looks_whole(text)
  return text == "" or text:find("\n$") or is_json(text)
end

function File:parse(text)
  if is_json(text) then
    return read_json(text, self.scheme)
  end
  return read_lines(text)
end

-- Reads the file, which has another stamp than at the last reading.
function File:read(stamp)
  local text, err = read_file(self.path)
  if not text then
    return nil, err
  end
  if core.file_stamp(self.path) ~= stamp or not looks_whole(text) and self.seen ~= stamp then
    self.seen = stamp
    return nil, self.path .. ": the file is being written", true
  end
  local urls
  urls, err = self:parse(text)
  if not urls then
    return nil, ("%s: %s"):format(self.path, err)
  end
  return urls
end

function File:look()
  local stamp, err = core.file_stamp(self.path)
  if not stamp then
    return nil, err
  end
  if stamp ~= self.stamp then
    local urls, busy
    urls, err, busy = self:read(stamp)
    if busy and self.urls then
      return self.urls, nil, self.interval
    elseif not urls then
      return nil, err
    end
    self.stamp, self.urls = stamp, urls
  end
  return self.urls, nil, self.interval
end

--- @param given a path, or { path =, interval = seconds [1], scheme = of targets without one }
-- @return source; or nil, message
return function(given)
  if type(given) ~= "table" then
    given = { path = given }
  end
  local o, err = options.check(SCHEMA, given, "discover.file")
  if not o then
    return nil, err
  end
  return setmetatable({ name = "file:" .. o.path, path = o.path, interval = o.interval / 1000,
    scheme = o.scheme }, File)
end
