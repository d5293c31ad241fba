-- SPDX-License-Identifier: MIT

-- luajit relay.lua FILE SEED: passes bytes between nodes, over links that may be bad. links.lua
-- starts it and writes FILE, which it reads anew each 10 ms. A line of FILE is a link:
--
--   HOST:PORT HOST:PORT STATE DELAY_MS BYTES_PER_S RESETS
--
-- The relay listens on the first address, the second is that of the node. STATE is "open", "held"
-- (bytes wait until the link is open again, as with TCP when packets are lost for a while) or
-- "down" (connections are refused). Each piece of bytes is DELAY_MS late, and no more than
-- BYTES_PER_S pass in each direction of a connection (0: any number). RESETS of 1000 pieces end
-- their connection in place of passing; the seed says which.

local uv = require "luv"

local LOOK_MS, PIECES, DOWN = 10, 64, "down"

local path, state = arg[1], tonumber(arg[2]) % 2147483646 + 1
local links = {} -- address -> link
local content

-- Lehmer's generator (Park and Miller, 1988).
local function random(n)
  state = state * 48271 % 2147483647
  return state % n
end

local function split(address)
  local host, port = address:match "^(.+):(%d+)$"
  return host, tonumber(port)
end

-- ---- a direction of a connection ---------------------------------------------------------------

-- A reset, unless it has just ended.
local function drop(tcp)
  if not tcp:is_closing() and not tcp:close_reset() then
    tcp:close()
  end
end

local function close(conn, how)
  if conn.link.conns[conn] then
    conn.link.conns[conn] = nil
    for _, way in ipairs(conn.ways) do
      way.timer:close()
    end
    how(conn.near)
    how(conn.far)
  end
end

local function ended(conn)
  conn.ended = conn.ended + 1
  if conn.ended == 2 then
    close(conn, uv.close)
  end
end

-- Passes what is due. "" is the end.
local function pump(conn, way)
  while way[1] and conn.link.conns[conn] and conn.link.state == "open" do
    local wait = way[1].due - uv.now()
    if wait > 0 then
      way.timer:start(wait, 0, function() pump(conn, way) end)
      return
    end
    local bytes = table.remove(way, 1).bytes
    if bytes == "" then
      way.to:shutdown(function() ended(conn) end)
    else
      way.to:write(bytes)
    end
    if way.full and #way < PIECES / 2 then
      way.full = false
      way.from:read_start(way.take)
    end
  end
end

local function start(conn, from, to)
  local way = { from = from, to = to, timer = uv.new_timer(), last = 0 }
  function way.take(err, bytes)
    local link = conn.link
    if err or (bytes and random(1000) < link.resets) then
      return close(conn, drop)
    end
    local due = math.max(uv.now() + link.delay_ms, way.last)
    way.last = link.rate > 0 and due + #(bytes or "") * 1000 / link.rate or due
    way[#way + 1] = { bytes = bytes or "", due = math.ceil(way.last) }
    if #way == PIECES then
      way.full = true
      from:read_stop()
    end
    pump(conn, way)
  end
  from:read_start(way.take)
  return way
end

-- ---- a link ------------------------------------------------------------------------------------

local function connected(link)
  local near = uv.new_tcp()
  link.server:accept(near)
  local far = uv.new_tcp()
  near:nodelay(true)
  local host, port = split(link.target)
  far:connect(host, port, function(err)
    if err or link.state == DOWN then
      drop(near)
      drop(far)
      return
    end
    far:nodelay(true)
    local conn = { near = near, far = far, link = link, ended = 0, ways = {} }
    link.conns[conn] = true
    conn.ways[1], conn.ways[2] = start(conn, near, far), start(conn, far, near)
  end)
end

local function listen(link)
  local host, port = split(link.address)
  link.server = uv.new_tcp()
  assert(link.server:bind(host, port))
  assert(link.server:listen(128, function() connected(link) end))
end

local function apply(link)
  if link.state == DOWN then
    for conn in pairs(link.conns) do
      close(conn, drop)
    end
    if link.server then
      link.server:close()
      link.server = nil
    end
  elseif not link.server then
    listen(link)
  end
  for conn in pairs(link.conns) do
    for _, way in ipairs(conn.ways) do
      pump(conn, way)
    end
  end
end

local function look()
  local f = io.open(path)
  local text = f and f:read "*a"
  if f then
    f:close()
  end
  if not text or text == content then
    return
  end
  content = text
  for address, target, now, delay_ms, rate, resets
    in text:gmatch "(%S+) (%S+) (%S+) (%d+) (%d+) (%d+)\n" do
    local link = links[address] or { address = address, conns = {} }
    links[address] = link
    link.target, link.state = target, now
    link.delay_ms, link.rate, link.resets = tonumber(delay_ms), tonumber(rate), tonumber(resets)
    apply(link)
  end
end

uv.new_timer():start(0, LOOK_MS, look)
uv.run()
