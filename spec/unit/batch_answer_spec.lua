-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("wire/batch.h", "base/buf.h")

-- Writes an answer with that value, as the server does, and reads it.
local function there_and_back(value, fields)
  local b, a = ffi.new "struct buf[1]", ffi.new "struct batch_answer"
  C.buf_init(b, 0)
  a.value, a.value_len = value, #value
  for name, field in pairs(fields) do
    a[name] = field
  end
  assert.equal(0, tonumber(C.batch_put_answer(b, a)))
  C.buf_put(b, value, #value)
  local frame = ffi.string(b[0].data, b[0].len)
  C.buf_deinit(b)
  local out = ffi.new "struct batch_answer"
  assert.equal(#frame, tonumber(C.batch_get_answer(frame, #frame, #frame, out, nil)))
  assert.equal(value, ffi.string(out.value, out.value_len))
  return out, frame
end

describe("an answer of a batch", function()
  it("carries the rate of a key", function()
    for _, qps in ipairs { 0.5, 300, 1e6 } do
      assert.equal(qps, there_and_back("v", { minute_qps = qps }).minute_qps)
    end
  end)

  it("has no bytes for a rate that is not known", function()
    local out, frame = there_and_back("v", { index = 1 })
    assert.equal(0, out.minute_qps)
    assert.equal("\5\x08\1\x12\1v", frame)
  end)

  it("is within its bound when it says all it can", function()
    local most = 2 ^ 63
    local _, frame = there_and_back(("v"):rep(300000), { index = 9999, has_ttl = 1,
      ttl_ms = most, age_s = most, stale = 1, minute_qps = 1e300 })
    assert.is_true(#frame <= 300000 + tonumber(C.BATCH_FRAME_OVERHEAD))
  end)
end)
