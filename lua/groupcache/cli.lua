-- SPDX-License-Identifier: MIT
-- groupcached's command line.

local config = require "groupcache.config"
local core = require "groupcache.core"
local limits = require "groupcache.limits"
local names = require "groupcache.names"
local own = require "groupcache.discover.own"
local reload = require "groupcache.reload"
local words = require "groupcache.cli.words"
local sorted = require "groupcache.sorted"

local cli = {}

local OK, FAILURE, USAGE, STUCK = 0, 1, 2, 3

local HEAD = [[
groupcached - a cache node that fills itself: one load per key in the whole cluster

  groupcached SCRIPT.lua [options]               serve the groups that the script defines
%s
Commands but check end with the status 0 fine, 1 failed or no value, 2 wrong usage, 3 not reached.
`groupcached help COMMAND` has their options.

Options of a node and of check (each also as GROUPCACHE_NAME in the environment, or in the table
that the script returns; first the flag counts, then the environment, then the script):
]]

local TAIL = [[

While it runs:
  GET /cache/GROUP/KEY    a value           GET /healthz, /readyz    for load balancers
  GET /                   a page            SIGTERM, SIGINT          end, requests first
  GET /stats, /metrics    figures           SIGHUP                   read the script again
                                            SIGUSR1                  open the access log anew

Exit status: 0 fine, 1 the node could not start, 2 the command line is wrong, 3 all workers were
stuck in C functions for stuck_timeout.
]]

local function flag_of(name)
  return "--" .. name:gsub("_", "-")
end

local function help()
  local out = { HEAD:format(words.help_of_commands()) }
  for _, name in ipairs(sorted(config.SETTINGS)) do
    local rule = config.SETTINGS[name]
    local left = ("  %s %s"):format(flag_of(name), rule.arg)
    local text = rule.help:gsub("\n", "\n" .. (" "):rep(34))
    if rule.default ~= nil and type(rule.default) ~= "table" then
      local default = rule.default == false and "no" or tostring(rule.default)
      text = text .. " [" .. default .. "]"
    end
    out[#out + 1] = ("%-33s %s\n"):format(left, text)
  end
  out[#out + 1] = TAIL
  return table.concat(out)
end

local function complain(message)
  io.stderr:write("groupcached: ", message, "\n")
end

local function usage(message)
  complain(message .. "; see groupcached --help")
  return USAGE
end

local function in_one_line(wrong)
  table.sort(wrong)
  return table.concat(wrong, "; ")
end

-- The flags as { name = text }, the other words in order; or nil and the errors.
local function split_words(list)
  local flags, rest, wrong = {}, {}, {}
  local i = 1
  while i <= #list do
    local word = list[i]
    local name, text = word:match("^%-%-([%w%-_]+)=(.*)$")
    name = name or word:match("^%-%-([%w%-_]+)$")
    local setting = name and name:gsub("-", "_")
    if word == "-h" or name == "help" or name == "version" then
      return { [name == "version" and "version" or "help"] = "" }, rest
    elseif name and config.SETTINGS[setting] then
      if not text then
        i = i + 1
        text = list[i]
      end
      if not text then
        wrong[#wrong + 1] = ("%s needs %s"):format(word, config.SETTINGS[setting].arg)
      end
      flags[setting] = text
    elseif name then
      wrong[#wrong + 1] = ("unknown option --%s%s"):format(name,
        names.hint(config.SETTINGS, setting, flag_of))
    elseif word:sub(1, 1) == "-" and word ~= "-" then
      wrong[#wrong + 1] = ("unknown option %s"):format(word)
    else
      rest[#rest + 1] = word
    end
    i = i + 1
  end
  if #wrong > 0 then
    return nil, in_one_line(wrong)
  end
  return flags, rest
end

local function parse_flags(texts)
  local out, wrong = {}, {}
  for name, text in pairs(texts) do
    local value, err = config.parse(name, text, flag_of(name))
    wrong[#wrong + 1] = err
    out[name] = value
  end
  if #wrong > 0 then
    return nil, in_one_line(wrong)
  end
  return out
end

-- Runs the script once, and says what is wrong. -> the script, its settings; or nil
local function prepare(path, flags)
  config.set_log_before(flags)
  local script, settings = config.prepare(path, flags)
  if not script then
    complain(settings)
    return nil
  end
  core.set_log(settings.log_level, settings.log_format)
  config.warn_of_environment()
  return script, settings
end

local function check(path, flags)
  local script, settings = prepare(path, flags)
  if not script then
    return FAILURE
  end
  local fine, err = core.check(script, settings)
  if not fine then
    complain(err)
    return FAILURE
  end
  local groups = {}
  for i, group in ipairs(script:groups()) do
    groups[i] = group.name
  end
  print(("%s: fine, %d group%s: %s"):format(path, #groups, #groups == 1 and "" or "s",
    table.concat(groups, ", ")))
  print(limits.sentence(settings, script:groups()))
  local warning = limits.warning(settings, script:groups())
  if warning then
    complain(warning)
  end
  return OK
end

-- If the script would not start, nothing changes.
local function try_reload(node, path, flags, settings)
  core.notify_reloading("reading the script again")
  local ok, err = reload(node, path, flags, settings)
  core.notify_reloaded(ok and "ready: the script was read again" or "not reloaded: " .. err)
  if not ok then
    core.log("error", "not reloaded: the node goes on as it was", "error=" .. core.quote(err),
      "node")
  end
end

-- Serves until a signal ends it. Returns the exit status.
local function run(node, path, flags, settings)
  repeat
    local signal = node:wait()
    core.log("info", "signal", "name=SIG" .. signal, "node")
    if signal == "HUP" then
      try_reload(node, path, flags, settings)
    end
  until signal ~= "HUP"
  local status = node:gave_up() and STUCK or OK
  node:stop()
  return status
end

-- Another node may have the default address.
local function say_where_admin_is(node, settings)
  local _, admin, moved = node:address()
  if moved then
    complain(("admin_listen is not set, and %s is taken: /stats is at %s"):format(
      settings.admin_listen, admin))
  end
end

local function serve(path, flags)
  local script, settings = prepare(path, flags)
  if not script then
    return FAILURE
  end
  core.take_signals(settings.access_log ~= nil)
  settings.may_exit = true
  own.find(settings)
  local groups = script:groups()
  local node, err = core.node(script, settings)
  if not node then
    complain(err)
    return FAILURE
  end
  limits.log(settings, groups)
  say_where_admin_is(node, settings)
  script:close()
  return run(node, path, flags, settings)
end

local WORDS = {
  help = function()
    io.stdout:write(help())
    return OK
  end,
  version = function()
    print("groupcached " .. core.version)
    return OK
  end,
}

local COMMANDS = { serve = true, run = true, start = true }
for _, command in ipairs(words.COMMANDS) do
  COMMANDS[command.name] = true
end

local function is_file(path)
  local f = io.open(path)
  return f and f:close()
end

-- Takes the command off the words. A single word may be the name of a script.
local function command_of(rest)
  local word = rest[1]
  if not COMMANDS[word] or (#rest == 1 and is_file(word)) then
    return nil
  end
  return table.remove(rest, 1)
end

-- A command that has a module of its own. -> the exit status, or nil: the line has none.
local function run_command(list)
  local command = words.command(list[1])
  if not (command and command.module) or (#list == 1 and is_file(list[1])) then
    return nil
  end
  for _, word in ipairs(list) do
    if word == "--" then
      break
    elseif word == "--help" or word == "-h" then
      io.stdout:write(words.help_of(command))
      return OK
    end
  end
  local options, rest = words.parse(command, { unpack(list, 2) })
  if not options then
    return usage(rest)
  end
  return require("groupcache.cli." .. command.module)[command.name](options, rest)
end

-- A first word that is neither a command nor a file, and near a command. -> what to say, or nil
local function mistyped(word)
  if not word or word:sub(1, 1) == "-" or COMMANDS[word] or words.command(word)
    or is_file(word) then
    return nil
  end
  local hint = words.hint(word)
  return hint ~= "" and ("there is no command %q%s"):format(word, hint) or nil
end

--- Runs the command line.
-- @return the exit status
function cli.main(...)
  local status = run_command { ... }
  if status then
    return status
  end
  local wrong = mistyped((...))
  if wrong then
    return usage(wrong)
  end
  local texts, rest = split_words({ ... })
  if not texts then
    return usage(rest)
  end
  if texts.help or texts.version then
    return WORDS[texts.help and "help" or "version"]()
  end
  local flags, err = parse_flags(texts)
  if not flags then
    return usage(err)
  end
  local command = command_of(rest)
  if command == "help" and rest[1] then
    if not words.command(rest[1]) then
      return usage(("there is no command %q"):format(rest[1]))
    end
    io.stdout:write(words.help_of(words.command(rest[1])))
    return OK
  elseif command == "help" or command == "version" then
    return WORDS[command]()
  end
  if command == "check" and #rest == 0 then
    return usage("check needs a script: groupcached check SCRIPT.lua")
  end
  if #rest ~= 1 then
    return usage(#rest == 0 and "which script?" or "one script, please")
  end
  return (command == "check" and check or serve)(rest[1], flags)
end

return cli
