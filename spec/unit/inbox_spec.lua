-- SPDX-License-Identifier: MIT

jit.off(true, true) -- messages call back into Lua

local ffi = require "ffi"
local poll = require "posix.poll"
local C = require("support.unit").load("base/inbox.h", "base/clock.h")

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

  it("gives out no more than it is asked for, and stays readable for the rest", function()
    for i = 0, 9 do
      post(i)
    end
    assert.equal(4, C.inbox_drain_some(inbox, 4))
    assert.is_true(readable())
    post(10)
    assert.equal(4, C.inbox_drain_some(inbox, 4))
    assert.is_true(readable())
    assert.equal(3, C.inbox_drain_some(inbox, 4))
    assert.is_false(readable())
    assert.same({ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, ran)
    post(11)
    assert.is_true(readable())
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

  describe("of a thread that holds", function()
    after_each(function()
      C.inbox_release()
      C.clock_advance(10001) -- a rest of this thread's is over
    end)

    it("is readable once that has released it", function()
      C.inbox_hold()
      post(0)
      post(1)
      C.inbox_release()
      assert.is_true(readable())
      assert.equal(2, C.inbox_drain(inbox))
      assert.is_false(readable())
      post(2)
      assert.is_true(readable())
    end)

    it("is not readable before, unless that takes long", function()
      local quiet = false
      for _ = 1, 1000 do
        C.inbox_hold()
        post(0)
        quiet = quiet or not readable()
        C.inbox_release()
        C.inbox_drain(inbox)
      end
      assert.is_true(quiet)
    end)

    it("is readable once that has released it, though some were taken before", function()
      C.inbox_hold()
      post(0)
      post(1)
      assert.equal(1, C.inbox_drain_some(inbox, 1))
      C.inbox_release()
      assert.is_true(readable())
      assert.equal(1, C.inbox_drain(inbox))
      assert.is_false(readable())
    end)

    it("is readable once another thread writes to it, and rests after a slow message",
      function()
        local woken
        on_run = function(i)
          if i == 0 then
            post(1)
            C.inbox_hurry_held(C.inbox_held()) -- as another thread does
            woken = readable()
            C.clock_advance(1)
          end
        end
        post(0)
        C.inbox_hold()
        C.inbox_drain(inbox)
        assert.is_true(woken)
        C.inbox_drain(inbox)
        for i = 2, 99 do
          C.inbox_hold()
          post(i)
          assert.is_true(readable())
          C.inbox_release()
          C.inbox_drain(inbox)
        end
      end)

    it("is not woken for what it has taken", function()
      C.inbox_hold()
      post(0)
      assert.equal(1, C.inbox_drain(inbox))
      C.inbox_release()
      assert.is_false(readable())
    end)

    it("is woken by a late post, by a message that took long, and by hand", function()
      C.inbox_hold()
      post(0)
      C.clock_advance(1)
      post(1)
      assert.is_true(readable())
      local woken
      on_run = function(i)
        if i == 0 then
          post(2)
          C.clock_advance(1)
        elseif i == 1 then
          woken = readable()
        end
      end
      assert.equal(2, C.inbox_drain(inbox))
      assert.is_true(woken)
      assert.equal(1, C.inbox_drain(inbox))
      post(3)
      C.inbox_hurry()
      assert.is_true(readable())
    end)

    it("is woken at once for a while after a message that took long", function()
      local function quiet()
        for _ = 1, 1000 do -- a slow machine may need some
          C.inbox_hold()
          post(2)
          local woken = readable()
          C.inbox_release()
          C.inbox_drain(inbox)
          if not woken then
            return true
          end
        end
        return false
      end
      assert.is_true(quiet())
      on_run = function(i)
        if i == 0 then
          post(2) -- such as a load that has ended
        elseif i == 1 then
          C.clock_advance(1)
        end
      end
      post(0)
      post(1)
      C.inbox_hold()
      C.inbox_drain(inbox)
      assert.is_true(readable())
      C.inbox_release()
      C.inbox_drain(inbox)
      assert.is_false(quiet())
      C.clock_advance(10001)
      assert.is_true(quiet())
    end)

    it("may be freed before", function()
      local other = C.inbox_new(nil)
      C.inbox_hold()
      assert.equal(1, C.inbox_post(other, messages[5]))
      C.inbox_close(other)
      assert.equal(1, C.inbox_drain(other))
      C.inbox_free(other)
    end)

    it("is woken with many others", function()
      local many = {}
      C.inbox_hold()
      for i = 1, 100 do
        many[i] = C.inbox_new(nil)
        C.inbox_post(many[i], messages[i])
      end
      C.inbox_release()
      for i = 1, 100 do
        assert.equal(1, poll.rpoll(C.inbox_fd(many[i]), 0))
        C.inbox_close(many[i])
        C.inbox_drain(many[i])
        C.inbox_free(many[i])
      end
    end)
  end)

  it("may be freed when it never was", function()
    C.inbox_free(nil)
  end)
end)
