-- SPDX-License-Identifier: MIT

--- Many keys and what their values should be, asked of a node.
--
--   many.keys(count, from) -> list    from [1] on; quotes, spaces, percent signs and UTF-8 in each
--   many.value(key) -> text
--   many.ask(n, group, keys, after) -> { key = response }   eight at a time, and all must be
--     answered; after(count) is called when so many were
--   many.right(answers, value) -> { source = number }   e.g. { main = 2, ["local"] = 7 }; insists
--     on value(key) [many.value] for each
--   many.failed(answers, said) -> list of keys   takes those without a value out of the
--     answers, and insists that each of them said just that
--   many.said(response) -> "502 BODY"
--   many.promised(path, word, by) -> the same, of the error that an example's head tells of; `by`
--     takes the place of `word` in it

local http = require "support.http"
local tmp = require "support.tmp"

local many = {}

function many.keys(count, from)
  local list = {}
  for i = 1, count do
    list[i] = ("page %d: it's \"50%%\" \\ größer"):format((from or 1) + i - 1)
  end
  return list
end

function many.value(key)
  return ("<%s>\n"):format(key):rep(3)
end

function many.ask(n, group, keys, after)
  local requests, answers, count = {}, {}, 0
  for i, key in ipairs(keys) do
    requests[i] = { host = n.host, port = n.port, timeout = 60,
      target = ("/cache/%s/%s"):format(group, http.escape(key)) }
  end
  http.parallel(requests, 8, function(res, err, _, i)
    answers[keys[i]] = assert(res, err)
    count = count + 1
    if after then
      after(count)
    end
  end)
  return answers
end

function many.right(answers, value)
  local sources = {}
  for key, res in pairs(answers) do
    assert(res.status == 200, many.said(res))
    assert(res.body == (value or many.value)(key), "not the value of " .. key)
    local source = res.headers["x-cache"]
    sources[source] = (sources[source] or 0) + 1
  end
  return sources
end

function many.failed(answers, said)
  local failed = {}
  for key, res in pairs(answers) do
    if res.status ~= 200 then
      assert(many.said(res) == said, ("%s said %s, not %s"):format(key, many.said(res), said))
      failed[#failed + 1] = key
      answers[key] = nil
    end
  end
  return failed
end

function many.promised(path, word, by)
  local status, body = tmp.read(path):match "(%d+) (%b{})"
  return status .. " " .. (word and body:gsub(word, by) or body)
end

function many.said(res)
  return ("%d %s"):format(res.status, (res.body:gsub("\n$", "")))
end

return many
