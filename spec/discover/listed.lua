-- SPDX-License-Identifier: MIT

--- The peers of nodes whose list has a source, as /stats has them.
--
--   local listed = require "discover.listed"
--   listed.script                        of a node with one group
--   listed.start(source, opts) -> n      a node with --peers SOURCE; opts are node.start()'s
--   listed.peers(n, group) -> urls       sorted, in one text
--   listed.source(n, group) -> the entry of /stats "sources"
--   listed.wait(n, urls, seconds, group) waits until these are the peers
--   listed.looks(n, count)               waits until the source was looked at so many times more
--   listed.has(program) -> boolean      whether it is installed; if not, the spec says so
--   listed.count(n, pattern) -> how often the log has a pattern

local eventually = require "support.eventually"
local node = require "support.node"
local process = require "support.process"

local listed = {}

local SLOW = os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP"
listed.patience = SLOW and 60 or 15

listed.script = [[
  local groupcache = require "groupcache"
  groupcache.group("g", { getter = function(key) return key end, hot = "never" })
]]

function listed.start(source, opts)
  local o = { script = listed.script, args = { "--peers", source, "--workers", "1" } }
  for name, value in pairs(opts or {}) do
    o[name] = value
  end
  return node.start(o)
end

local function text(urls)
  table.sort(urls)
  return table.concat(urls, " ")
end

function listed.peers(n, group)
  local stats, urls = n:stats(), {}
  for i, peer in ipairs((group and stats.groups[group] or stats).peers) do
    urls[i] = peer.url
  end
  return text(urls)
end

function listed.source(n, group)
  for _, source in ipairs(n:stats().sources) do
    if source.list == (group or require("cjson").null) then
      return source
    end
  end
end

function listed.wait(n, urls, seconds, group)
  local want = text(urls)
  eventually(function() return listed.peers(n, group) == want end, seconds or listed.patience,
    "the peers are " .. want)
end

function listed.looks(n, count)
  local before = listed.source(n).looks
  eventually(function() return listed.source(n).looks >= before + count end, listed.patience,
    "looks at the source")
end

function listed.has(program)
  local found = process.run({ "sh", "-c", "command -v " .. program }).code == 0
  if not found then
    it("was not tried: there is no " .. program, function() pending("no " .. program) end)
  end
  return found
end

function listed.count(n, pattern)
  return select(2, n:log():gsub(pattern, ""))
end

return listed
