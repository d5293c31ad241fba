-- SPDX-License-Identifier: MIT

--- tree.make(dir, count, opts) -> { { path=, full=, size= }, ... }, total bytes
--
-- Fills a folder with `count` files, the same in every run: sizes from nothing to 5 MB, most of
-- them small, at most opts.total [60 MB] in all; names with spaces, plus and percent signs, quotes
-- and UTF-8, in nested folders. `path` is relative to dir, `full` is not. No two files are the same
-- (except the smallest). tree.content(path, size) returns the bytes again.

local bit = require "bit"
local tmp = require "support.tmp"

local tree = {}

local LARGE = 5 * 1024 * 1024

-- xorshift32: the same numbers everywhere, unlike math.random.
local function generator(seed)
  local x = seed
  return function(n)
    x = bit.bxor(x, bit.lshift(x, 13))
    x = bit.bxor(x, bit.rshift(x, 17))
    x = bit.bxor(x, bit.lshift(x, 5))
    return (x % 4294967296) % n
  end
end

local block -- 64 KB of noise, made once

local function noise()
  if not block then
    local rnd, parts = generator(2463534242), {}
    for i = 1, 65536 do
      parts[i] = string.char(rnd(256))
    end
    block = table.concat(parts)
  end
  return block
end

function tree.content(path, size)
  local head = path .. "\0"
  local bytes = noise()
  local body = bytes:rep(math.ceil(math.max(0, size - #head) / #bytes))
  return (head .. body):sub(1, size)
end

local SHAPES = {
  "plain-%d.txt", "with space %d.txt", "plus+%d+plus.txt", "hundred%%%d%%.txt", "enc%%2F%d.txt",
  "Größe-%d.txt", "日本-%d.bin", "it's \"%d\".txt", "semi;colon=%d&x.txt", "hash#%d?.txt",
  "UPPER-%d.TXT", "~tilde(%d)!.txt", "dots..%d..txt", "UP+ %%20 %d ñ.dat",
}
local FOLDERS = { "", "", "a/", "a/b c/", "a/b+c/", "%25/", "ü/", "deep/er/and/deep est/" }

function tree.make(dir, count, opts)
  local limit = opts and opts.total or 60 * 1024 * 1024
  local rnd = generator(opts and opts.seed or 88172645)
  local large = math.min(6, math.ceil(count / 20))
  local files, total = {}, 0
  for i = 1, count do
    local size
    if i == 1 then
      size = 0
    elseif i == 2 then
      size = LARGE
    elseif i <= large + 1 then
      size = LARGE - rnd(3 * 1024 * 1024)
    elseif rnd(50) == 0 then
      size = 0
    else
      size = math.floor(2 ^ (rnd(1500) / 100)) -- 1 B to 32 KB, as many tiny as big ones
    end
    size = math.max(0, math.min(size, limit - total))
    local path = FOLDERS[rnd(#FOLDERS) + 1] .. SHAPES[(i - 1) % #SHAPES + 1]:format(i)
    local full = dir .. "/" .. path
    tmp.write(full, tree.content(path, size))
    files[i] = { path = path, full = full, size = size }
    total = total + size
  end
  return files, total
end

return tree
