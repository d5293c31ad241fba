-- SPDX-License-Identifier: MIT
-- rendered.lua: pages of HTML, made of what an API says. A page has tags for what it shows, so all
-- pages of an author are removed at once when the author changes, on all nodes.
--   API=http://127.0.0.1:9000 build/bin/groupcached examples/rendered.lua
--   curl -i http://127.0.0.1:8080/cache/articles/17
--   curl -i -d '{"remove_tags": ["author:3"]}' http://127.0.0.1:8080/cache/articles

local groupcache = require "groupcache"
local http = require "groupcache.http"

local API = os.getenv "API" or "http://127.0.0.1:9000"

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

-- Fills {{name}} with text of the values, escaped.
local function render(template, values)
  return (template:gsub("{{([%w_]+)}}", function(name)
    return (tostring(values[name] or ""):gsub('[&<>"]', ESCAPES))
  end))
end

local PAGE = [[
<!doctype html>
<title>{{title}}</title>
<h1>{{title}}</h1>
<p>by {{author}}
<p>{{text}}
]]

groupcache.group("articles", {
  ttl = 3600, negative_ttl = 10, stale_while_revalidate = 600, stale_if_error = 86400,
  writable = { networks = { "127.0.0.1" } },        -- who may remove
  getter = function(id)
    local article, err, code = http.json(API .. "/articles/" .. http.escape(id))
    if not article then return nil, err, code end
    local by = tostring(article.author)               -- a name or a number
    local author
    author, err, code = http.json(API .. "/authors/" .. http.escape(by))
    if not author then return nil, err, code == "NOTFOUND" and "GETTER" or code end
    return {
      body = render(PAGE, { title = article.title, text = article.text, author = author.name }),
      content_type = "text/html; charset=utf-8",
      headers = { ["cache-control"] = "max-age=60" },
      tags = { "article:" .. id, "author:" .. by },
    }
  end,
})
