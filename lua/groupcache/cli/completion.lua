-- SPDX-License-Identifier: MIT
-- groupcache.cli.completion: groupcached completion, which prints completions for shells and the
-- man page, from the tables of commands and of settings.

local client = require "groupcache.cli.client"
local config = require "groupcache.config"
local core = require "groupcache.core"
local words = require "groupcache.cli.words"
local sorted = require "groupcache.sorted"

local completion = {}
local makers = {}

local function flags_of(command)
  local list = {}
  for _, name in ipairs(command.options or {}) do
    list[#list + 1] = "--" .. name
  end
  return list
end

-- The flags of a node and of check.
local function flags_of_node()
  local list = {}
  for i, name in ipairs(sorted(config.SETTINGS)) do
    list[i] = "--" .. name:gsub("_", "-")
  end
  return list
end

local function names()
  local list = {}
  for i, command in ipairs(words.COMMANDS) do
    list[i] = command.name
  end
  return list
end

local function flags_by_command()
  local list = {}
  for _, command in ipairs(words.COMMANDS) do
    list[#list + 1] = { command, command.name == "check" and flags_of_node() or flags_of(command) }
  end
  return list
end

local BASH = [==[
# bash completion for groupcached: source <(groupcached completion bash)
_groupcached() {
  local word=${COMP_WORDS[COMP_CWORD]} command= flags= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in -*) ;; *) command=${COMP_WORDS[i]}; break ;; esac
  done
  case $command in
%s  *) flags="%s" ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$word"))
  elif [[ -z $command ]]; then
    COMPREPLY=($(compgen -W "%s" -- "$word") $(compgen -f -- "$word"))
  else
    case $command in
    check | run-getter) COMPREPLY=($(compgen -f -- "$word")) ;;
    completion) COMPREPLY=($(compgen -W "bash zsh fish man" -- "$word")) ;;
    help) COMPREPLY=($(compgen -W "%s" -- "$word")) ;;
    esac
  fi
}
complete -o filenames -F _groupcached groupcached
]==]

function makers.bash()
  local cases, all = {}, table.concat(names(), " ")
  for i, pair in ipairs(flags_by_command()) do
    cases[i] = ('  %s) flags="%s" ;;\n'):format(pair[1].name, table.concat(pair[2], " "))
  end
  return BASH:format(table.concat(cases), table.concat(flags_of_node(), " "), all, all)
end

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

function makers.zsh()
  local out = { "#compdef groupcached\n_groupcached() {\n  local -a commands\n  commands=(\n" }
  for _, command in ipairs(words.COMMANDS) do
    local help = command.help:gsub(":", "\\:")
    out[#out + 1] = ("    %s\n"):format(quoted(command.name .. ":" .. help))
  end
  out[#out + 1] = [==[
  )
  if (( CURRENT == 2 )) && [[ $PREFIX != -* ]]; then
    _describe command commands
    _files -g '*.lua'
    return
  fi
  if [[ $PREFIX != -* ]]; then
    case $words[2] in
    completion) compadd -- bash zsh fish man ;;
]==]
  out[#out + 1] = "    help) compadd -- " .. table.concat(names(), " ") .. " ;;\n"
  out[#out + 1] = "    *) _files ;;\n    esac\n    return\n  fi\n  case $words[2] in\n"
  for _, pair in ipairs(flags_by_command()) do
    out[#out + 1] = ("  %s) %s;;\n"):format(pair[1].name,
      #pair[2] > 0 and "compadd -- " .. table.concat(pair[2], " ") .. " " or "")
  end
  out[#out + 1] = "  *) compadd -- " .. table.concat(flags_of_node(), " ") .. " ;;\n"
  out[#out + 1] = "  esac\n}\n_groupcached \"$@\"\n"
  return table.concat(out)
end

local FISH = "complete -c groupcached -n '__fish_seen_subcommand_from %s' -l %s -d %s%s\n"

function makers.fish()
  local out = {}
  for _, command in ipairs(words.COMMANDS) do
    out[#out + 1] = ("complete -c groupcached -n __fish_use_subcommand -a %s -d %s\n"):format(
      command.name, quoted(command.help))
    for _, name in ipairs(command.options or {}) do
      out[#out + 1] = FISH:format(command.name, name, quoted(words.OPTIONS[name].help),
        words.OPTIONS[name].arg and " -r" or "")
    end
  end
  for _, flag in ipairs(flags_of_node()) do
    out[#out + 1] = ("complete -c groupcached -n __fish_use_subcommand -l %s -r -d %s\n"):format(
      flag:sub(3), quoted(config.SETTINGS[flag:sub(3):gsub("-", "_")].help:gsub("\n", " ")))
  end
  return table.concat(out)
end

-- Text for roff: what begins a line may not be a request, and dashes are those of a terminal.
local function roff(text)
  text = text:gsub("\n", " "):gsub("\\", "\\e"):gsub("-", "\\-")
  return (text:gsub("^([.'])", "\\&%1"))
end

-- The manual page, in man(7).
function makers.man()
  local out = { (".TH GROUPCACHED 8 \"\" \"groupcache %s\"\n"):format(core.version), [[
.SH NAME
groupcached \- a cache node that fills itself
.SH SYNOPSIS
.B groupcached
.I SCRIPT.lua
[options]
.br
.B groupcached
.I COMMAND
[options]
.SH DESCRIPTION
The first form serves the groups that the script defines. Each key is loaded once in the whole
cluster, by the getter of its group, at the node that owns the key.
.SH COMMANDS
]] }
  for _, c in ipairs(words.COMMANDS) do
    out[#out + 1] = (".TP\n\\fB%s\\fR \\fI%s\\fR\n%s.\n"):format(roff(c.name), roff(c.args),
      roff(c.help))
    if #flags_of(c) > 0 then
      out[#out + 1] = "Options: " .. roff(table.concat(flags_of(c), ", ")) .. ".\n"
    end
  end
  out[#out + 1] = ".SH OPTIONS OF COMMANDS\n"
  for _, name in ipairs(sorted(words.OPTIONS)) do
    local o = words.OPTIONS[name]
    out[#out + 1] = (".TP\n.BI \\-\\-%s \" %s\"\n%s%s%s.\n"):format(roff(name), o.arg or "",
      roff(o.help), o.default and roff((" [%s]"):format(o.default)) or "",
      o.env and roff(", or " .. o.env) or "")
  end
  out[#out + 1] = [[
.SH OPTIONS OF A NODE
Each also as GROUPCACHE_NAME in the environment, or in the table that the script returns. First the
flag counts, then the environment, then the script.
]]
  for _, flag in ipairs(flags_of_node()) do
    local rule = config.SETTINGS[flag:sub(3):gsub("-", "_")]
    out[#out + 1] = (".TP\n.BI %s \" %s\"\n%s\n"):format(roff(flag), roff(rule.arg or ""),
      roff(rule.help))
  end
  out[#out + 1] = [[
.SH EXIT STATUS
0: fine. 1: the node could not start; or a command has failed, or there is no value. 2: the
command line is wrong. 3: a node could not be reached; or all workers of the node were stuck.
.SH SIGNALS
SIGTERM and SIGINT end the node, requests first. SIGHUP reads the script again. SIGUSR1 opens the
access log anew.
]]
  return table.concat(out)
end

function completion.completion(_, rest)
  local make = makers[rest[1]]
  if not make then
    client.complain(("completion: %q is none of bash, zsh, fish, man; see groupcached --help")
      :format(rest[1]))
    return client.STATUS.USAGE
  end
  io.stdout:write(make())
  return client.STATUS.FINE
end

return completion
