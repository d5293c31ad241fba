-- SPDX-License-Identifier: MIT

-- luajit seeds.lua FOLDER: the inputs that `make fuzz` begins with, in the form that fetch.c reads.

local folder = assert(arg[1], "usage: luajit seeds.lua FOLDER")

local HANGS_UP, HEAD, POST, TOGETHER = 1, 2, 4, 8
local OK = "HTTP/1.1 200 OK\r\n"
local GOOD = OK .. "Content-Length: 5\r\n\r\nhello"
local CHUNKED = OK .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

local function exchange(flags, answer, surplus)
  surplus = surplus or ""
  return string.char(flags, #answer % 256, math.floor(#answer / 256)) .. answer
    .. string.char(#surplus) .. surplus
end

local good = exchange(0, GOOD)
local seeds = {
  good:rep(4),
  exchange(0, GOOD, GOOD) .. good:rep(3),
  exchange(TOGETHER, GOOD, GOOD) .. good:rep(3),
  exchange(TOGETHER, CHUNKED, GOOD) .. good,
  exchange(0, CHUNKED, "x") .. good,
  good .. exchange(0, OK .. "\tX: y\r\n\r\n") .. good,
  good .. exchange(0, OK .. "X: y\r\n z\r\n\r\nhello") .. good,
  exchange(HEAD, OK .. "Content-Length: 5\r\n\r\n", GOOD) .. good,
  exchange(TOGETHER, "HTTP/1.1 204 No Content\r\n\r\n", GOOD) .. good,
  exchange(TOGETHER, "HTTP/1.1 304 Not Modified\r\n\r\n", GOOD) .. good,
  exchange(0, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" .. GOOD) .. good,
  good .. exchange(HANGS_UP, "") .. good,
  good .. exchange(HANGS_UP + POST, "") .. good,
  good .. exchange(HANGS_UP, GOOD:sub(1, -3)) .. good,
  exchange(HANGS_UP, OK .. "\r\nuntil the end") .. good,
  exchange(POST, OK .. "Content-Length: 0\r\n\r\n", "junk") .. good,
  good .. exchange(0, OK .. "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!") .. good,
  good .. exchange(0, "HTTP/1.1 200200 OK\r\n\r\n") .. good,
  exchange(0, OK .. "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\nX: y\r\n\r\n", "5")
    .. good,
}

for i, seed in ipairs(seeds) do
  local f = assert(io.open(("%s/seed-%02d"):format(folder, i), "wb"))
  f:write(seed)
  f:close()
end
