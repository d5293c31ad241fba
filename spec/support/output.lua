-- SPDX-License-Identifier: MIT

--- Busted output handler: one line per spec file, every failure in full where it happens, skipped
-- tests by name, and `N passed, N failed` as the very last line.
--
-- An error outside a test (a spec that does not load, a failing before_each) counts as failed.

local pretty = require "pl.pretty"
local result = require "support.result"

local function text_of(message)
  if message == nil then
    return "(no message)"
  elseif type(message) == "string" then
    return message
  end
  return pretty.write(message)
end

local function indent(text)
  return (("    " .. text):gsub("\n+$", ""):gsub("\n", "\n    "))
end

local function say(...)
  io.stdout:write(table.concat({ ... }), "\n")
  io.stdout:flush()
end

return function(options)
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base" ()

  local file -- the spec file being run: name, counts and when it began
  local why = {} -- test -> what pending() said

  local function place(element)
    local trace = element.trace or {}
    return trace.short_src and ("%s:%s: "):format(trace.short_src, trace.currentline) or ""
  end

  local function count(what)
    result[what] = result[what] + 1
    if file then
      file[what] = file[what] + 1
    end
  end

  local function show(word, element, message, debug)
    say(word, " ", place(element), handler.getFullName(element))
    say(indent(text_of(message)))
    local trace = debug and debug.traceback
    if trace and (options.verbose or word == "ERROR") then
      say(indent(trace:gsub("^\n", "")))
    end
  end

  function handler.file_start(element)
    file = { name = element.name, passed = 0, failed = 0, skipped = 0, from = busted.monotime() }
    return nil, true
  end

  function handler.file_end()
    local line = ("%-44s %4d passed"):format(file.name, file.passed)
    for _, what in ipairs { "failed", "skipped" } do
      if file[what] > 0 then
        line = line .. (", %d %s"):format(file[what], what)
      end
    end
    say(line, (", %.2f s"):format(busted.monotime() - file.from))
    file = nil
    return nil, true
  end

  function handler.test_end(element, _, status)
    if status == "success" then
      count "passed"
      if options.verbose then
        say("ok ", place(element), handler.getFullName(element))
      end
    elseif status == "pending" then
      count "skipped"
      local reason = why[element]
      say("skipped ", place(element), handler.getFullName(element),
        reason and ": " .. text_of(reason) or "")
    else
      count "failed"
    end
    return nil, true
  end

  function handler.on_pending(element, _, message)
    why[element] = message
    return nil, true
  end

  local function on_trouble(word)
    return function(element, _, message, debug)
      show(word, element, message, debug)
      if element.descriptor ~= "it" then
        count "failed"
      end
      return nil, true
    end
  end

  function handler.suite_end()
    if result.passed + result.failed + result.skipped == 0 then
      say "no test ran"
    end
    local line = ("%d passed, %d failed"):format(result.passed, result.failed)
    if result.skipped > 0 then
      line = line .. (", %d skipped"):format(result.skipped)
    end
    say(line)
    return nil, true
  end

  busted.subscribe({ "file", "start" }, handler.file_start)
  busted.subscribe({ "file", "end" }, handler.file_end)
  busted.subscribe({ "test", "end" }, handler.test_end)
  busted.subscribe({ "pending" }, handler.on_pending)
  busted.subscribe({ "failure" }, on_trouble "FAILED")
  busted.subscribe({ "error" }, on_trouble "ERROR")
  busted.subscribe({ "suite", "end" }, handler.suite_end)

  return handler
end
