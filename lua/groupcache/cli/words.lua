-- SPDX-License-Identifier: MIT
-- groupcache.cli.words: the commands of groupcached and their options, each written once. --help,
-- the man page and the completions follow, and so does the reading of a command line.

local names = require "groupcache.names"
local options = require "groupcache.options"

local words = {}

--- The options of commands: name -> { arg = nil for a flag, kind =, most = of a count, default =,
--- env =, help = }
words.OPTIONS = {
  node = { arg = "URL", env = "GROUPCACHE_NODE", default = "http://127.0.0.1:8080",
    help = "the node that is asked" },
  admin = { arg = "URL", env = "GROUPCACHE_ADMIN",
    help = "its operators' address; default: what answers there, or 1000 ports higher" },
  token = { arg = "TOKEN", env = "GROUPCACHE_TOKEN",
    help = "sent as Authorization: Bearer, for groups whose changes need one" },
  ttl = { arg = "DURATION", kind = "duration", help = "how long the value is good" },
  timeout = { arg = "DURATION", kind = "duration", default = 10,
    help = "the most time that an answer may take" },
  ca = { arg = "FILE", help = "PEM file of the CA of https nodes; default: the system's" },
  cert = { arg = "FILE", help = "PEM file of the certificate that is shown to https nodes" },
  key = { arg = "FILE", help = "PEM file of its key" },
  json = { help = "print JSON, one object a line" },
  verbose = { help = "say on stderr where the value came from" },
  interval = { arg = "DURATION", kind = "duration", default = 2, help = "time between two looks" },
  count = { arg = "N", kind = "count", help = "end after so many looks" },
  clients = { arg = "N", kind = "count", default = 8, most = 256,
    help = "gets at a time, at most 256" },
  seconds = { arg = "N", kind = "count", default = 10, help = "how long" },
  keys = { arg = "N", kind = "count", default = 1000, help = "different keys, at random" },
}

local LONGEST = 1e9 -- seconds

local ASK = { "node", "timeout", "ca", "cert", "key", "json" }
local CHANGE = { "node", "token", "timeout", "ca", "cert", "key", "json" }
local LOOK = { "node", "admin", "timeout", "ca", "cert", "key", "json" }

local function with(list, ...)
  local all = { ... }
  for _, name in ipairs(list) do
    all[#all + 1] = name
  end
  return all
end

--- In the order of --help. `args`: the words behind it, [..] may be left out. `module` is in
-- groupcache.cli, without it the command is in groupcache.cli itself.
words.COMMANDS = {
  { name = "check", args = "SCRIPT.lua", help = "say whether the script would start, and stop" },
  { name = "run-getter", args = "SCRIPT.lua GROUP KEY", module = "try", options = { "json" },
    help = "run a getter without a node: result, time, waits" },
  { name = "get", args = "GROUP KEY", module = "values", options = with(ASK, "verbose"),
    help = "print a value, loaded if need be" },
  { name = "put", args = "GROUP KEY [VALUE]", module = "values", options = with(CHANGE, "ttl"),
    help = "set a value on all nodes; without VALUE from stdin" },
  { name = "rm", args = "GROUP KEY", module = "values", options = CHANGE,
    help = "remove a key on all nodes" },
  { name = "flush", args = "GROUP", module = "values", options = CHANGE,
    help = "remove all keys of a group on all nodes" },
  { name = "ttl", args = "GROUP KEY", module = "look", options = LOOK,
    help = "how long a value is good that the node holds" },
  { name = "stats", args = "[GROUP]", module = "look", options = LOOK,
    help = "the figures of a node, or of one of its groups" },
  { name = "top", args = "", module = "top", options = with(LOOK, "interval", "count"),
    help = "a node's groups, peers and keys, live; q ends it" },
  { name = "explain", args = "GROUP KEY", module = "explain", options = LOOK,
    help = "whose a key is, and which nodes hold it" },
  { name = "doctor", args = "", module = "doctor", options = LOOK,
    help = "look for faults of a cluster; status 1: some" },
  { name = "bench", args = "GROUP [PREFIX]", module = "bench",
    options = with(ASK, "clients", "seconds", "keys"),
    help = "get PREFIX1, PREFIX2 and so on; print the times" },
  { name = "completion", args = "bash|zsh|fish|man", module = "completion", options = {},
    help = "print completions for a shell, or the man page" },
  { name = "help", args = "[COMMAND]", help = "this text, or that of a command" },
  { name = "version", args = "", help = "the version" },
}

local by_name = {}
for _, command in ipairs(words.COMMANDS) do
  by_name[command.name] = command
end

--- @return the command of that name, or nil
function words.command(name)
  return by_name[name]
end

-- What people type -> what it is called here.
local SYNONYMS = { set = "put", del = "rm", delete = "rm", remove = "rm", clear = "flush",
  purge = "flush", try = "run-getter" }

--- What to say of a word that is no command, if a command is near it: a text, perhaps empty.
function words.hint(word)
  if SYNONYMS[word] then
    return ", it is called " .. SYNONYMS[word]
  end
  return names.hint(by_name, word, tostring)
end

--- The lines of --help about commands.
function words.help_of_commands()
  local out = {}
  for _, c in ipairs(words.COMMANDS) do
    out[#out + 1] = ("  groupcached %-34s %s\n"):format((c.name .. " " .. c.args):gsub(" $", ""),
      c.help)
  end
  return table.concat(out)
end

--- The text about one command.
function words.help_of(command)
  local out = { ("groupcached %s %s\n\n  %s\n"):format(command.name,
    command.args .. (command.options and #command.options > 0 and " [options]" or ""),
    command.help) }
  for i, name in ipairs(command.options or {}) do
    local o = words.OPTIONS[name]
    local text = o.help .. (o.default and (" [%s]"):format(o.default) or "")
      .. (o.env and (", or %s"):format(o.env) or "")
    out[#out + 1] = ("%s  %-22s %s\n"):format(i == 1 and "\n" or "",
      "--" .. name .. (o.arg and " " .. o.arg or ""), text)
  end
  return table.concat(out)
end

local function read(name, rule, text)
  if rule.kind == "duration" then
    local seconds = tonumber(text) or options.seconds(text)
    if not (seconds and seconds >= 0 and seconds <= LONGEST) then -- nan is not, either
      return nil, ("--%s is %q, and must be a duration such as 1.5 or 250ms, of %d s at most")
        :format(name, text, LONGEST)
    end
    return seconds
  elseif rule.kind == "count" then
    local n = tonumber(text)
    if not n or n < 1 or n % 1 ~= 0 or n > (rule.most or n) then
      return nil, ("--%s is %q, and must be a whole number %s"):format(name, text,
        rule.most and "from 1 to " .. rule.most or "above 0")
    end
    return n
  end
  return text
end

local function flag_of(name)
  return "--" .. name
end

-- How many words a command takes at least and at most.
local function arity(args)
  local least, most = 0, 0
  for word in args:gmatch "%S+" do
    most = most + 1
    least = least + (word:sub(1, 1) == "[" and 0 or 1)
  end
  return least, most
end

-- Fills in what was not given from the environment, and defaults.
local function complete(command, given)
  for _, name in ipairs(command.options) do
    local rule = words.OPTIONS[name]
    local env = rule.env and os.getenv(rule.env)
    if given[name] == nil and env and env ~= "" then
      given[name] = env
    elseif given[name] == nil then
      given[name] = rule.default
    end
  end
  return given
end

--- Reads the words behind a command. Behind "--" all words are taken as they are.
-- @return the options by name, the other words; or nil, what is wrong
function words.parse(command, list)
  local known, given, rest, i = {}, {}, {}, 1
  for _, name in ipairs(command.options) do
    known[name] = words.OPTIONS[name]
  end
  while i <= #list do
    local word = list[i]
    local name, text = word:match("^%-%-([%w%-]+)=(.*)$")
    name = name or word:match("^%-%-([%w%-]+)$")
    if word == "--" then
      for j = i + 1, #list do
        rest[#rest + 1] = list[j]
      end
      break
    elseif not name then
      rest[#rest + 1] = word
    elseif not known[name] then
      return nil, ("%s: unknown option --%s%s"):format(command.name, name,
        names.hint(known, name, flag_of))
    elseif not known[name].arg then
      if text then
        return nil, ("%s: --%s takes no value"):format(command.name, name)
      end
      given[name] = true
    else
      if not text then
        i = i + 1
        text = list[i]
      end
      if not text then
        return nil, ("%s: --%s needs %s"):format(command.name, name, known[name].arg)
      end
      local value, wrong = read(name, known[name], text)
      if value == nil then
        return nil, command.name .. ": " .. wrong
      end
      given[name] = value
    end
    i = i + 1
  end
  local least, most = arity(command.args)
  if #rest < least or #rest > most then
    return nil, ("usage: groupcached %s %s"):format(command.name, command.args)
  end
  return complete(command, given), rest
end

return words
