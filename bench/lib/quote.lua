-- SPDX-License-Identifier: MIT

--- The figures of docs/results.md that README.md quotes.
--
--   quote.rows(results) -> lines        the table of a report, as report.markdown() writes it
--   quote.renew(readme, results) -> readme, or nil and what is missing
--
-- Both arguments are texts. A figure has two digits in the README: more differ from run to run.

local report = require "bench.lib.report"

local quote = {}

-- Where README.md has a figure: the words before and behind it. A line of the table is found by the
-- begin of its row, its figure and its peer.
local QUOTED = {
  { row = "HTTP hit, 100 B", figure = "/_groupcache/, requests/s", peer = "Go /_groupcache/",
    column = "ours", before = "One core answers ", behind = " hits a second over HTTP" },
  { row = "HTTP hit, 100 B", figure = "/_groupcache/, requests/s", peer = "Go /_groupcache/",
    column = "ratio", before = "hits a second over HTTP, ", behind = " times as many" },
  { row = "forward", figure = "requests/s", peer = "Go default",
    column = "ours", before = "asks the owner for each key answers ", behind = " a second" },
  { row = "forward", figure = "requests/s", peer = "Go default",
    column = "ratio", before = "for each key answers # a second, ", behind = " times as many" },
}

local COLUMNS = { "row", "figure", "ours", "peer", "theirs", "ratio", "reach", "verdict" }

-- A row's title stands in its first line only.
function quote.rows(results)
  local lines, before = {}, ""
  for text in results:gmatch "[^\n]+" do
    local line, i = {}, 0
    for cell in text:gmatch "|([^|]*)%f[|]" do
      i = i + 1
      line[COLUMNS[i] or i] = cell:match "^%s*(.-)%s*$"
    end
    if i == #COLUMNS then
      before = line.row ~= "" and line.row or before
      line.row = before
      lines[#lines + 1] = line
    end
  end
  return lines
end

-- 110251 -> "110 000", 2.284 -> "2.3"
local function rounded(n)
  local text = ("%.2g"):format(n)
  return n < 100 and text or report.number(tonumber(text))
end

local function figure(lines, wanted)
  for _, line in ipairs(lines) do
    if line.row:sub(1, #wanted.row) == wanted.row and line.figure == wanted.figure
      and line.peer == wanted.peer then
      return tonumber((line[wanted.column]:gsub("%s*%(.*", ""):gsub(" ", "")))
    end
  end
end

-- Words of a pattern: a space stands for a line's end too, and # for a figure.
local function words(text)
  return (text:gsub("[%-%.%+%[%]%(%)%$%^%%%?%*]", "%%%0"):gsub(" ", "%%s+"):gsub("#", "[%%d .]+"))
end

function quote.renew(readme, results)
  local lines = quote.rows(results)
  for _, wanted in ipairs(QUOTED) do
    local n = figure(lines, wanted)
    if not n then
      return nil, ("the results have no figure of row %q, %q, peer %q")
        :format(wanted.row, wanted.figure, wanted.peer)
    end
    local count
    local place = "(" .. words(wanted.before) .. ")%d[%d .]-(" .. words(wanted.behind) .. ")"
    readme, count = readme:gsub(place, "%1" .. rounded(n) .. "%2")
    if count ~= 1 then
      return nil, ("README.md has %d places with %q and a figure; one is wanted")
        :format(count, wanted.before)
    end
  end
  return readme
end

return quote
