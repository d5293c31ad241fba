-- SPDX-License-Identifier: MIT

local ffi = require "ffi"

local T = require "unit.shim"([[
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include "base/thread.h"

struct of_thread {
    char name[16], starter[16];
    int blocked, signals;
    double before, within, after;
};

static double deep(void)
{
    volatile char stack[200 * 1024];

    memset((void *)(size_t)stack, 1, sizeof(stack));
    return thread_stack_used() + 0 * stack[0];
}

static void *look(void *arg)
{
    struct of_thread *s = arg;
    sigset_t set;
    int i;

    do { /* the starting thread gives the name */
        prctl(PR_GET_NAME, s->name);
    } while (!strcmp(s->name, s->starter));
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    for (i = 1; i < SIGRTMIN; i++) {
        if (i == SIGKILL || i == SIGSTOP || i == 32 || i == 33)
            continue;
        s->signals++;
        s->blocked += sigismember(&set, i) == 1;
    }
    s->before = thread_stack_used();
    s->within = deep();
    s->after = thread_stack_used();
    return arg;
}

/* 1: the thread ran and gave its argument back. */
int run_thread(const char *name, size_t stack_bytes, struct of_thread *s)
{
    struct error e;
    void *back = NULL;
    pthread_t t;

    memset(s, 0, sizeof(*s));
    prctl(PR_GET_NAME, s->starter);
    if (thread_start(&t, name, stack_bytes, look, s, &e))
        return 0;
    pthread_join(t, &back);
    return back == s;
}
]], [[
struct of_thread {
    char name[16], starter[16];
    int blocked, signals;
    double before, within, after;
};
int run_thread(const char *name, size_t stack_bytes, struct of_thread *s);
]])

describe("a thread", function()
  local seen = ffi.new "struct of_thread"

  it("has its name, cut to 15 bytes, and takes no signals", function()
    assert.equal(1, T.run_thread("lua-3", 0, seen))
    assert.equal("lua-3", ffi.string(seen.name))
    assert.is_true(seen.signals > 20)
    assert.equal(seen.signals, seen.blocked)
    assert.equal(1, T.run_thread("a name of twenty byt", 0, seen))
    assert.equal("a name of twent", ffi.string(seen.name))
  end)

  it("knows how much of its stack it has used", function()
    if os.getenv "SAN" == "thread" then
      pending "the sanitizer itself needs more stack than this thread has"
      return
    end
    assert.equal(1, T.run_thread("deep", 512 * 1024, seen))
    assert.is_true(seen.before >= 0 and seen.before < 0.5, seen.before)
    assert.is_true(seen.within > seen.before + 0.3 and seen.within <= 1, seen.within)
    assert.is_true(seen.after < seen.within)
    assert.equal(1, T.run_thread("deep", 8 * 1024 * 1024, seen))
    assert.is_true(seen.within < 0.2, seen.within)
  end)
end)
