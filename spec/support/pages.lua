-- SPDX-License-Identifier: MIT

--- The blocks of a page in Markdown: between lines of ```, or indented by four spaces.
--
--   pages.blocks(path) -> { { page=, line=, language= "lua", or "" if indented,
--                             name= the file that its first line names, or nil,
--                             first= its first line, text= }, ... }
--   pages.named(path, language, name) -> the text of the block of that language with that name
--                                        [any], its name
--   pages.said(text) -> { the texts behind #>, //> or -->, ... }
--   pages.links(path) -> { { text=, path= from the root on, anchor= or nil }, ... }, its links to
--                        files of the project
--   pages.anchors(path) -> { ["name-of-a-heading"] = true, ... }
--   pages.all() -> { "README.md", "docs/api.md", ... }, the pages for users and developers

local lfs = require "lfs"
local tmp = require "support.tmp"

local pages = {}

function pages.all()
  local list = { "README.md", "SECURITY.md", "HACKING.md", "CHANGELOG.md" }
  for _, dir in ipairs { "docs", "docs/design" } do
    for name in lfs.dir(dir) do
      if name:find "%.md$" then
        list[#list + 1] = dir .. "/" .. name
      end
    end
  end
  table.sort(list)
  return list
end

local function lines_of(path)
  local list = {}
  for line in tmp.read(path):gmatch "([^\n]*)\n" do
    list[#list + 1] = line
  end
  return list
end

-- The end of an indented block: empty lines belong to it if it goes on behind them.
local function indented_end(lines, at)
  local last = at
  while lines[at] and (lines[at]:find "^    " or lines[at] == "") do
    last = lines[at] ~= "" and at or last
    at = at + 1
  end
  return last
end

local function fenced_end(lines, at)
  repeat
    at = at + 1
    assert(lines[at], "a block has no end")
  until lines[at]:find "^```"
  return at
end

local function block(path, lines, from, to, language)
  local text = table.concat(lines, "\n", from, to) .. "\n"
  text = language == "" and text:gsub("^    ", ""):gsub("\n    ", "\n") or text
  local first = text:match "^[^\n]*"
  return { page = path, line = from, language = language, first = first, text = text,
    name = (first .. " "):match "^[-#/<?php ]+ ([%w_./]+%.%a+)[, ]" }
end

function pages.blocks(path)
  local list, lines, at = {}, lines_of(path), 1
  while lines[at] do
    local language, last = lines[at]:match "^```(%w*)", at
    if language then
      last = fenced_end(lines, at)
      list[#list + 1] = block(path, lines, at + 1, last - 1, language)
    elseif lines[at]:find "^    %S" and (lines[at - 1] or "") == "" then
      last = indented_end(lines, at)
      list[#list + 1] = block(path, lines, at, last, "")
    end
    at = last + 1
  end
  return list
end

function pages.named(path, language, name)
  for _, each in ipairs(pages.blocks(path)) do
    if each.language == language and each.name and (not name or name == each.name) then
      return each.text, each.name
    end
  end
  error(("%s has no block of %s named %s"):format(path, language, name or "at all"))
end

function pages.said(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    local said = line:match "#> (.*)$" or line:match "//> (.*)$" or line:match "%-%-> (.*)$"
    list[#list + 1] = said
  end
  return list
end

-- "docs/design", "../api.md" -> "docs/api.md"
local function joined(folder, path)
  local list = {}
  for part in (folder .. "/" .. path):gmatch "[^/]+" do
    if part == ".." then
      table.remove(list)
    else
      list[#list + 1] = part
    end
  end
  return table.concat(list, "/")
end

function pages.links(path)
  local list = {}
  for target in tmp.read(path):gmatch "%]%(([^)%s]+)%)" do
    if not target:find "^%a+:" then
      local file, anchor = target:match "^([^#]*)#?(.*)$"
      list[#list + 1] = { text = target, anchor = anchor ~= "" and anchor or nil,
        path = file == "" and path or joined(path:match "^(.*)/" or "", file) }
    end
  end
  return list
end

-- As GitHub names headings: in lower case, without what is no word, and - for a space.
function pages.anchors(path)
  local set = {}
  local text = ("\n" .. tmp.read(path)):gsub("\n```.-\n```", "")
  for heading in text:gmatch "\n#+ ([^\n]+)" do
    set[heading:lower():gsub("[^%w_ \128-\255-]", ""):gsub(" ", "-")] = true
  end
  return set
end

return pages
