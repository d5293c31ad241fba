-- SPDX-License-Identifier: MIT

--- From the figures of the rounds to lines of the table, and the table as text and as markdown.
--
--   report.line(row, spec, measured) -> line
--   report.text(lines), report.markdown(lines, facts, versions, notes) -> text
--   report.count(lines) -> { reached =, short =, missing =, text = }
--   report.number(n) -> text, as the table has numbers
--
-- `measured` is the sides of a row: name -> { rounds = { figures, ... } } or { trouble = text }.
-- A spec of a line:
--   { figure = what is shown, of = name of the figure, ours = side, peer = side or nil,
--     unit = text, reach = number or nil, better = "more" | "less", peer_of = another figure }
-- With a peer the reach is a ratio, ours to the peer's, without it it is a bound of our figure. The
-- ratio is the median of the rounds' own ratios: the two sides of a round lie side by side in time.

local report = {}

local function sorted(list)
  local copy = {}
  for i, v in ipairs(list) do
    copy[i] = v
  end
  table.sort(copy)
  return copy
end

function report.median(list)
  local s = sorted(list)
  local middle = math.floor(#s / 2)
  return #s % 2 == 1 and s[middle + 1] or (s[middle] + s[middle + 1]) / 2
end

function report.number(n)
  if n >= 1000 then
    local digits = ("%.0f"):format(n)
    return (digits:reverse():gsub("(%d%d%d)", "%1 "):reverse():gsub("^ ", ""))
  elseif n >= 100 then
    return ("%.0f"):format(n)
  elseif n >= 10 then
    return ("%.1f"):format(n)
  elseif n >= 1 or n == 0 then
    return ("%.2f"):format(n)
  end
  return ("%.3f"):format(n)
end

-- "median (min..max)"
local function spread(list)
  local s = sorted(list)
  if #s == 1 then
    return report.number(s[1])
  end
  local middle, least, most = report.median(s), s[1], s[#s]
  return ("%s (%s..%s)"):format(report.number(middle), report.number(least), report.number(most))
end

local function figures(measured, side, name)
  local m = measured[side]
  if not m then
    return nil, "was not measured"
  elseif m.trouble then
    return nil, m.trouble
  end
  local list = {}
  for i, round in ipairs(m.rounds) do
    list[i] = round[name]
    if not list[i] then
      return nil, "gave no " .. name
    end
  end
  return list
end

function report.line(row, spec, measured)
  local line = { row = row.title, figure = spec.figure, ours = "", peer = spec.peer or "",
    theirs = "", ratio = "", reach = "", verdict = "" }
  local less = spec.better == "less"
  if spec.reach then
    line.reach = ("%s %g%s"):format(less and "<=" or ">=", spec.reach, spec.peer and " x" or "")
  end
  local mine, trouble = figures(measured, spec.ours, spec.of)
  local theirs = mine
  if mine then
    line.ours = spread(mine)
    if spec.peer then
      theirs, trouble = figures(measured, spec.peer, spec.peer_of or spec.of)
    end
  end
  if not theirs then
    line.verdict = ("missing: %s: %s"):format(mine and spec.peer or spec.ours, trouble)
    line.missing = true
    return line
  end
  local value = report.median(mine)
  if spec.peer then
    line.theirs = spread(theirs)
    local ratios = {}
    for i = 1, math.min(#mine, #theirs) do
      ratios[i] = mine[i] / theirs[i]
    end
    value = report.median(ratios)
    line.ratio = ("%.3g"):format(value)
  end
  if spec.reach then
    line.short = less and value > spec.reach or not less and value < spec.reach
    line.verdict = line.short and "falls short" or "reached"
  end
  return line
end

function report.count(lines)
  local n = { reached = 0, short = 0, missing = 0 }
  for _, line in ipairs(lines) do
    local kind = line.missing and "missing" or line.short and "short" or line.verdict
    n[kind] = n[kind] and n[kind] + 1
  end
  n.text = ("%d reached, %d fall short, %d missing"):format(n.reached, n.short, n.missing)
  return n
end

local COLUMNS = {
  { "row", "row" }, { "figure", "figure" }, { "ours", "ours" }, { "peer", "peer" },
  { "theirs", "the peer's" }, { "ratio", "ratio" }, { "reach", "reach" }, { "verdict", "" },
}

function report.text(lines)
  local wide = {}
  for i, column in ipairs(COLUMNS) do
    wide[i] = #column[2]
    for _, line in ipairs(lines) do
      wide[i] = math.max(wide[i], #line[column[1]])
    end
  end
  local out = {}
  local function add(get)
    local cells = {}
    for i, column in ipairs(COLUMNS) do
      cells[i] = get(column) .. (" "):rep(wide[i] - #get(column))
    end
    out[#out + 1] = (table.concat(cells, "  "):gsub("%s+$", ""))
  end
  add(function(column) return column[2] end)
  local before
  for _, line in ipairs(lines) do
    add(function(column)
      return column[1] == "row" and line.row == before and "" or line[column[1]]
    end)
    before = line.row
  end
  return table.concat(out, "\n") .. "\n"
end

local function cell(text)
  return (text:gsub("%s*\n%s*", " "):gsub("|", "\\|"))
end

function report.markdown(lines, facts, versions, notes)
  local out = { "# Results", "", "Made by `make bench`. What is measured and how: "
    .. "[docs/performance.md](../docs/performance.md).", "" }
  local function add(text)
    out[#out + 1] = text
  end
  for _, list in ipairs { facts, versions } do
    add "| | |"
    add "|---|---|"
    for _, fact in ipairs(list) do
      add(("| %s | %s |"):format(cell(fact[1]), cell(fact[2])))
    end
    add ""
  end
  for _, note in ipairs(notes) do
    add(note)
    add ""
  end
  local head, rule = {}, {}
  for i, column in ipairs(COLUMNS) do
    head[i], rule[i] = column[2], "---"
  end
  add("| " .. table.concat(head, " | ") .. " |")
  add("|" .. table.concat(rule, "|") .. "|")
  local before
  for _, line in ipairs(lines) do
    local cells = {}
    for i, column in ipairs(COLUMNS) do
      cells[i] = cell(column[1] == "row" and line.row == before and "" or line[column[1]])
    end
    add("| " .. table.concat(cells, " | ") .. " |")
    before = line.row
  end
  add ""
  add(report.count(lines).text .. ".")
  return table.concat(out, "\n") .. "\n"
end

return report
