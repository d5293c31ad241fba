-- SPDX-License-Identifier: MIT

--- Child processes that cannot outlive the test run.
--
--   process.spawn{ argv..., env=, cwd=, stdin=path, stdout=path, stderr=path, stderr_fd=n,
--                  pass={ { fd=, name= }, ... } } -> p
--     p.pid, p:alive(), p:kill(sig), p:wait(timeout_s) -> exit code
--                                                       | nil, "signal", number | nil, "timeout"
--     p:freeze()       SIGSTOP; returns once all its threads have stopped
--     p:comes_up(what, seconds, ready, log) -> what ready() returns, once that is true; raises when
--                      the child ends first, with the text of its log, a path
--     p:stop(sig, timeout_s)   -> as wait(); kills it after that time
--   process.run{ argv..., env=, cwd=, input=bytes, timeout=120 }
--     -> { code=, signal=, stdout=, stderr= }
--   process.children(pid) -> { { pid=, state="S" }, ... }, zombies with the state "Z"
--
-- env holds what differs from our environment; false removes. stdin is /dev/null unless given;
-- stdout and stderr are ours unless given (they may name the same file). Failing to start raises.
--
-- `pass` are descriptors for the child, from 3 on, as a service manager passes them: LISTEN_PID,
-- LISTEN_FDS and LISTEN_FDNAMES are set.
--
-- A child leads its own process group, which cleanup() kills at the end of the run. If the run
-- itself is killed, the kernel kills the child (PR_SET_PDEATHSIG).

local ffi = require "ffi"
local dirent = require "posix.dirent"
local eventually = require "support.eventually"
local fcntl = require "posix.fcntl"
local signal = require "posix.signal"
local socket = require "socket"
local stdlib = require "posix.stdlib"
local syswait = require "posix.sys.wait"
local unistd = require "posix.unistd"
local tmp = require "support.tmp"

pcall(ffi.cdef, [[
int spec_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
  __asm__("prctl");
]])
local PR_SET_PDEATHSIG = 1

local process = {}
local children = {} -- pid -> process, until reaped

local methods = {}
methods.__index = methods

local function redirect(path, mode, fd)
  local from = assert(fcntl.open(path, mode, 420)) -- 0644
  assert(unistd.dup2(from, fd))
  if from ~= fd then
    unistd.close(from)
  end
end

-- Everything but 0, 1, 2 closes on exec: a child must not hold our sockets open.
local function close_on_exec()
  for name in dirent.files "/proc/self/fd" do
    local fd = tonumber(name)
    if fd and fd > 2 then
      pcall(fcntl.fcntl, fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    end
  end
end

-- First to numbers that are free: one of the new numbers may be another's old one.
local function pass(list)
  local high, names = {}, {}
  for i, p in ipairs(list) do
    high[i] = assert(fcntl.fcntl(p.fd, fcntl.F_DUPFD, 200))
    names[i] = p.name or "unknown"
  end
  for i, fd in ipairs(high) do
    assert(unistd.dup2(fd, 2 + i))
    unistd.close(fd)
  end
  stdlib.setenv("LISTEN_PID", tostring(unistd.getpid()))
  stdlib.setenv("LISTEN_FDS", tostring(#list))
  stdlib.setenv("LISTEN_FDNAMES", table.concat(names, ":"))
end

local function become(opts, parent)
  unistd.setpid("p", 0, 0)
  ffi.C.spec_prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
  if unistd.getppid() ~= parent then
    unistd._exit(127) -- the run died before prctl
  end
  redirect(opts.stdin or "/dev/null", fcntl.O_RDONLY, 0)
  local out = fcntl.O_WRONLY + fcntl.O_CREAT + fcntl.O_APPEND
  if opts.stdout then
    redirect(opts.stdout, out, 1)
  end
  if opts.stderr then
    redirect(opts.stderr, out, 2)
  elseif opts.stderr_fd then
    assert(unistd.dup2(opts.stderr_fd, 2))
  end
  if opts.cwd then
    assert(unistd.chdir(opts.cwd))
  end
  for name, value in pairs(opts.env or {}) do
    stdlib.setenv(name, value ~= false and tostring(value) or nil)
  end
  close_on_exec()
  if opts.pass then
    pass(opts.pass)
  end
  local args = {}
  for i = 2, #opts do
    args[i - 1] = tostring(opts[i])
  end
  args[0] = opts[1]
  assert(unistd.execp(opts[1], args))
end

function process.spawn(opts)
  assert(type(opts[1]) == "string", "spawn{ program, arguments... }")
  io.stdout:flush()
  io.stderr:flush()
  -- The child's end closes when exec succeeds; if it does not, the reason comes through.
  local from_child, to_parent = unistd.pipe()
  local parent = unistd.getpid()
  local pid = assert(unistd.fork())
  if pid == 0 then
    local _, err = pcall(become, opts, parent)
    unistd.write(to_parent, tostring(err))
    unistd._exit(127)
  end
  unistd.close(to_parent)
  local why = unistd.read(from_child, 4096)
  unistd.close(from_child)
  local p = setmetatable({ pid = pid }, methods)
  children[pid] = p
  if why and why ~= "" then
    p:wait(5)
    error(("cannot start %s: %s"):format(opts[1], why), 2)
  end
  return p
end

local function reap(p, flags)
  if p.ended then
    return true
  end
  local pid, how, status = syswait.wait(p.pid, flags)
  if not pid then
    how, status = "lost", 0
  elseif pid == 0 or how == "running" then
    return false
  end
  p.ended, p.status = how, status
  children[p.pid] = nil
  return true
end

function methods:alive()
  return not reap(self, syswait.WNOHANG)
end

--- Sends a signal (a number, or a name such as "SIGTERM") unless the process has ended.
function methods:kill(sig)
  if self:alive() then
    assert(signal.kill(self.pid, type(sig) == "string" and signal[sig] or sig or signal.SIGTERM))
  end
end

local function stands_still(pid)
  local dir = ("/proc/%d/task/"):format(pid)
  for _, thread in ipairs(dirent.dir(dir)) do
    local stat = thread:match "^%d+$" and tmp.read(dir .. thread .. "/stat")
    if stat and not stat:match "^.*%) [Tt] " then
      return false
    end
  end
  return true
end

-- The signal only asks for it: a thread can still take a request before it stops.
function methods:freeze()
  self:kill "SIGSTOP"
  eventually(function() return stands_still(self.pid) end, 10, "all its threads stand still")
end

-- p.waited: who waited knows that it has ended.
function methods:wait(timeout_s)
  local deadline = socket.gettime() + (timeout_s or 30)
  local pause = 0.001
  while not reap(self, syswait.WNOHANG) do
    if socket.gettime() >= deadline then
      return nil, "timeout"
    end
    socket.sleep(pause)
    pause = math.min(pause * 1.5, 0.02)
  end
  self.waited = true
  if self.ended == "exited" then
    return self.status
  end
  return nil, "signal", self.status
end

function methods:comes_up(what, seconds, ready, log)
  local up
  eventually(function()
    up = self:alive() and ready()
    return up or not self:alive()
  end, seconds, what .. " is up")
  if not up then
    error(what .. " has ended: " .. tmp.read(log), 3)
  end
  return up
end

function methods:stop(sig, timeout_s)
  self:kill(sig)
  local code, how, number = self:wait(timeout_s)
  if how == "timeout" then
    self:kill "SIGKILL"
    self:wait(5)
  end
  return code, how, number
end

function process.run(opts)
  local dir = tmp.dir()
  local copy = {}
  for k, v in pairs(opts) do
    copy[k] = v
  end
  copy.stdout, copy.stderr = dir .. "/stdout", dir .. "/stderr"
  if opts.input then
    copy.stdin = dir .. "/stdin"
    tmp.write(copy.stdin, opts.input)
  end
  local p = process.spawn(copy)
  local code, how, number = p:wait(opts.timeout or 120)
  if how == "timeout" then
    p:kill "SIGKILL"
    p:wait(5)
    error(("%s did not end within %g s"):format(opts[1], opts.timeout or 120), 2)
  end
  local r = { code = code, signal = number }
  r.stdout, r.stderr = tmp.read(copy.stdout), tmp.read(copy.stderr)
  tmp.remove(dir)
  return r
end

--- From /proc: `ps` is not on every system.
function process.children(pid)
  local list = {}
  for name in dirent.files "/proc" do
    local ok, stat = pcall(tmp.read, "/proc/" .. name .. "/stat")
    local state, parent = (name:match "^%d+$" and ok and stat or ""):match "%) (%a) (%d+) [^)]*$"
    if tonumber(parent) == pid then
      list[#list + 1] = { pid = tonumber(name), state = state }
    end
  end
  return list
end

--- Kills and reaps whatever is left, with its process group.
function process.cleanup()
  for pid, p in pairs(children) do
    signal.kill(-pid, signal.SIGKILL)
    reap(p, 0)
  end
end

-- The run may end without passing through busted's own end.
local last = newproxy(true)
getmetatable(last).__gc = process.cleanup
process.last = last

return process
