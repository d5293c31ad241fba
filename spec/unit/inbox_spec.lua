-- SPDX-License-Identifier: MIT

jit.off(true, true) -- messages call back into Lua

local ffi = require "ffi"
local poll = require "posix.poll"
local C = require("support.unit").load "base/inbox.h"

describe("inbox", function()
  local inbox, messages, ran, on_run
  local callback = ffi.cast("void (*)(struct msg *)", function(m)
    local i = tonumber(m - messages)
    ran[#ran + 1] = i
    if on_run then
      on_run(i)
    end
  end)

  local function readable()
    return poll.rpoll(C.inbox_fd(inbox), 0) == 1
  end

  local function post(i)
    return C.inbox_post(inbox, messages[i])
  end

  before_each(function()
    inbox = C.inbox_new(nil)
    messages, ran, on_run = ffi.new("struct msg[?]", 1000), {}, nil
    for i = 0, 999 do
      messages[i].run = callback
    end
  end)

  after_each(function()
    C.inbox_close(inbox)
    C.inbox_drain(inbox)
    C.inbox_free(inbox)
  end)

  teardown(function()
    callback:free()
  end)

  it("keeps the order of posting", function()
    local want = {}
    for i = 0, 999 do
      assert.equal(1, post(i))
      want[i + 1] = i
    end
    assert.equal(1000, C.inbox_drain(inbox))
    assert.same(want, ran)
    assert.equal(0, C.inbox_drain(inbox))
  end)

  it("is readable exactly while messages wait", function()
    math.randomseed(17)
    local waiting = 0
    for round = 1, 500 do
      assert.equal(waiting > 0, readable())
      if math.random(3) == 1 then
        assert.equal(waiting, C.inbox_drain(inbox))
        waiting = 0
      else
        post(round)
        waiting = waiting + 1
      end
    end
  end)

  it("leaves what a message posts for the next time, and stays readable for it", function()
    on_run = function(i)
      if i < 3 then
        post(i + 1)
      end
    end
    post(0)
    for i = 0, 3 do
      assert.is_true(readable())
      assert.equal(1, C.inbox_drain(inbox))
      assert.equal(i, ran[#ran])
    end
    assert.is_false(readable())
  end)

  it("lets a message be posted again while it runs", function()
    on_run = function(i)
      if #ran < 3 then
        post(i)
      end
    end
    post(7)
    for _ = 1, 3 do
      C.inbox_drain(inbox)
    end
    assert.same({ 7, 7, 7 }, ran)
  end)

  it("refuses posts once it is closed, but still gives out what waits", function()
    post(0)
    post(1)
    C.inbox_close(inbox)
    assert.equal(0, post(2))
    assert.is_true(readable())
    assert.equal(2, C.inbox_drain(inbox))
    assert.same({ 0, 1 }, ran)
    assert.is_false(readable())
    assert.equal(0, post(3))
    assert.is_false(readable())
  end)

  it("may be freed when it never was", function()
    C.inbox_free(nil)
  end)
end)
