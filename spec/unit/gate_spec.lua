-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "base/gate.h"

local S = require "unit.shim"([[
#include <pthread.h>

#include "base/gate.h"

struct passage {
    struct gate gate;
    int value;
};

static void *opens(void *arg)
{
    struct passage *p = arg;

    p->value = 7;
    gate_open(&p->gate);
    return NULL;
}

/* Waits at `rounds` gates in turn that another thread opens; each is gone as soon as it is open. */
int pass(int rounds)
{
    int passed = 0;

    while (rounds--) {
        struct passage p = {.value = 0};
        pthread_t other;

        gate_init(&p.gate);
        pthread_create(&other, NULL, opens, &p);
        passed += gate_wait(&p.gate, rounds % 2 ? GATE_FOR_EVER : 60000) && p.value == 7;
        gate_deinit(&p.gate);
        pthread_join(other, NULL);
    }
    return passed;
}
]], "int pass(int rounds);")

describe("a gate", function()
  local gate

  before_each(function()
    gate = ffi.new "struct gate"
    C.gate_init(gate)
  end)

  after_each(function()
    C.gate_deinit(gate)
  end)

  it("lets through at once when it is open", function()
    C.gate_open(gate)
    assert.equal(1, C.gate_wait(gate, 0))
    assert.equal(1, C.gate_wait(gate, 60000))
  end)

  it("stays shut for as long as it was asked to wait", function()
    local started = os.clock()
    assert.equal(0, C.gate_wait(gate, 0))
    assert.equal(0, C.gate_wait(gate, 1001))
    assert.is_true(os.clock() - started < 0.5) -- of the processor: it sleeps
  end)

  it("may be gone as soon as it is open, and shows what was written before", function()
    assert.equal(500, S.pass(500))
  end)
end)
