-- SPDX-License-Identifier: MIT

--- The keys of the interop specs: 2,000 different ones, the same in every run.
--
-- Each entry is { key = bytes, class = name }. A key with a space in it is always of the class
-- "space". It is the one thing that Go groupcache gets wrong: its client writes a space as "+", and
-- its server takes a "+" for a "+". Class "space" is therefore the complete list of keys for which
-- the specs expect anything but "v:" and the key.

local sorted = require "groupcache.sorted"

local keys = {}

local TOTAL = 2000

local NAMED = {
  empty = { "" },
  space = {
    "a b", "a  b", " lead", "trail ", "a b+c", "a+b c", "one two three", "  ", "%20 ", "/ /",
  },
  plus = { "a+b", "++", "1+1=2", "a++b", "+lead", "trail+", "a+b+c" },
  percent = {
    "%%", "a%b", "100%", "%zz", "%4", "%00", "%2F", "%2f", "a%2Fb", "%252F", "%20", "a%20b", "%2B",
    "a%2Bb", "%25", "%E0%A4%A", "%u0041",
  },
  path = {
    "..", "...", "//", "///", "/lead", "//lead", "trail/", "trail//", "a/b", "a//b", "a/b/c",
    "./x", "../x", "x/.", "x/..", "a/./b", "a/../b", "/./", "/../", "/.", "/..",
    "../../etc/passwd", "interop/key", "_groupcache/interop/key", "http://127.0.0.1:1/x", "\\",
    "a\\b", "..\\..",
  },
  query = {
    "a?b", "?", "a?b=c&d=e", "a#b", "#frag", "a&b", "a;b", "k=v", "a:b@c", "a,b", "{x}", "[x]",
    "a|b", "<b>", '"q"',
  },
  utf8 = {
    "é", "ключ", "鍵", "日本語のキー", "🙂", "a\204\128b", "ﷺ", "\239\187\191bom", "ß+ß",
    "x/é/y",
  },
  badutf8 = {
    "\255\254", "\192\175", "\237\160\128", "a\128", "\226\130", "\254" .. ("\128"):rep(5),
  },
  nul = { "a\0b", "\0\0", "\0lead", "trail\0", "k\0\255", "a\0/b", "\0+\0" },
  control = { "\r\n", "a\nb", "a\tb", "a\rb", "x\r\nInjected:1\r\n", "\27[0m", "a\127b", "\1\2\3" },
}

-- 2 KiB each; fully escaped they make request targets of 6 KiB.
local LONG = {
  ("x"):rep(2048), ("%"):rep(2048), ("/"):rep(2048), ("."):rep(2048), ("+"):rep(2048),
  ("\0"):rep(2048), ("\255"):rep(2048), ("é"):rep(1024), ("0123456789abcdef"):rep(128),
  ("a b "):rep(512),
}
for letter in ("abcdefghijklmnopqrst"):gmatch "." do -- so many that each kind of node owns some
  LONG[#LONG + 1] = letter:rep(2048)
end

--- Park and Miller's generator, exact in doubles: math.random differs between interpreters.
local function generator(seed)
  local state = seed
  return function(limit) -- 0 .. limit-1
    state = state * 16807 % 2147483647
    return math.floor(state / 128) % limit
  end
end

--- The key a Go server sees when a Go client asks it for `key`.
function keys.as_go_sends(key)
  return (key:gsub(" ", "+"))
end

function keys.hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

function keys.unhex(text)
  return (text:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

--- Every byte that is not unreserved, as %XX.
function keys.escape(key)
  return (key:gsub("[^A-Za-z0-9_.~-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

--- For messages: a key nobody can print still has to be named.
function keys.show(key)
  if #key > 40 then
    return ("%q... (%d bytes)"):format(keys.escape(key:sub(1, 40)), #key)
  end
  return ("%q"):format(keys.escape(key))
end

--- All entries, in an order that is always the same.
function keys.all()
  local list, seen = {}, {}
  local function add(key, class)
    if seen[key] then
      return
    end
    seen[key] = true
    list[#list + 1] = { key = key, class = key:find(" ", 1, true) and "space" or class }
  end

  for byte = 0, 255 do
    add(string.char(byte), "byte")
  end
  for _, class in ipairs(sorted(NAMED)) do
    for _, key in ipairs(NAMED[class]) do
      add(key, class)
    end
  end
  for _, key in ipairs(LONG) do
    add(key, "long")
  end

  local random = generator(20131)
  while #list < 900 do -- bytes of all kinds, 1 to 64 of them; about one in ten has a space
    local bytes = {}
    for i = 1, 1 + random(64) do
      bytes[i] = string.char(random(256))
    end
    add(table.concat(bytes), "binary")
  end
  while #list < 1000 do
    add(("first%d last%d"):format(random(1000), random(1000)), "space")
  end
  local n = 0
  while #list < TOTAL do
    add("key" .. n, "plain")
    n = n + 1
  end
  return list
end

return keys
