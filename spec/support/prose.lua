-- SPDX-License-Identifier: MIT

--- The sentences of comments and docs, for their length.
--
--   local prose = require "support.prose"
--   prose.sentences(path) -> list of { line =, words =, text = }
--
-- Of a source its comments are read, of another file (Markdown) its text. A sentence ends with one
-- of .!?:; before a space, at an arrow, at a border of a table, and at an empty line. Code and
-- tables made of spaces are no sentences: lines that are indented by two and more, and ``` blocks.

local tmp = require "support.tmp"

local prose = {}

-- Each: the text, and a function that leaves of a line what is prose.

-- The comments, each ended by a dot; of all else the line ends.
local function of_c(text)
  local out, at = {}, 1
  while at <= #text do
    local from = text:find("/*", at, true) or #text + 1
    local to = select(2, text:find("*/", from, true)) or #text
    out[#out + 1] = text:sub(at, from - 1):gsub("[^\n]+", "")
    local said = text:sub(from + 2, to - 2)
    out[#out + 1] = said:gsub("\n%s*%*", "\n"):gsub("[ \t]+$", "") .. " ."
    at = to + 1
  end
  return table.concat(out), function(line)
    return line
  end
end

-- A tag such as @param begins a sentence.
local function of_lua(text)
  return text, function(line)
    local whole = line:match "^%s*%-%-+(.*)$"
    return (whole or (line:match "%s%-%-%s(.*)$" or "") .. " ."):gsub("^%s*([@|])", " . %1")
  end
end

local function of_markdown(text)
  local code = false
  return text, function(line)
    if line:find "^%s*```" then
      code = not code
      return ""
    end
    if code or line:find "^#" or line:find "^    " then
      return ""
    end
    return " " .. line:gsub("^%s*%d+%.", "."):gsub("^%s*[%-*] ", ". "):gsub("|", " . ")
      :gsub("^%s+", "")
  end
end

local KINDS = { c = of_c, h = of_c, lua = of_lua, md = of_markdown }

function prose.sentences(path)
  local list, now, from = {}, {}, nil
  local text, clean = KINDS[path:match "%.(%w+)$"](tmp.read(path))

  local function ends()
    if #now > 0 then
      list[#list + 1] = { line = from, words = #now, text = table.concat(now, " ") }
    end
    now, from = {}, nil
  end

  local number = 0
  for line in (text .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    local said = clean(line)
    if not said:find "%S" or said:find "^%s%s+%S" then
      ends()
    else
      said = said:gsub("`[^`]*`", "X"):gsub("%]%([^%s)]*%)", "]")
      for word in said:gmatch "%S+" do
        if word:find "%w" then
          from = from or number
          now[#now + 1] = word
        end
        if word:find "[.!?:;][%]\"')*]*$" or word == "->" or word == "→" then
          ends()
        end
      end
    end
  end
  ends()
  return list
end

return prose
