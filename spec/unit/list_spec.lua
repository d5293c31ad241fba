-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
require("support.unit").load "base/list.h"

-- The functions are inline: these call them.
local S = require "unit.shim"([[
#include "base/list.h"
void t_init(struct list *l) { list_init(l); }
int t_empty(const struct list *l) { return list_empty(l); }
int t_linked(const struct list *l) { return list_linked(l); }
void t_push_front(struct list *head, struct list *l) { list_push_front(head, l); }
void t_push_back(struct list *head, struct list *l) { list_push_back(head, l); }
void t_del(struct list *l) { list_del(l); }
struct list *t_pop_front(struct list *head) { return list_pop_front(head); }
void t_splice_back(struct list *to, struct list *from) { list_splice_back(to, from); }
struct holder { int before; struct list link; int id; };
int t_entry_id(void)
{
    struct holder h = {1, {0, 0}, 42};
    return list_entry(&h.link, struct holder, link)->id;
}
int t_empty_all(struct list *head)
{
    struct list *it, *tmp;
    int n = 0;
    list_each_safe(it, tmp, head) { list_del(it); n++; }
    return n;
}
int t_count(const struct list *head)
{
    const struct list *it;
    int n = 0;
    list_each(it, head) n++;
    return n;
}
]], [[
void t_init(struct list *l);
int t_empty(const struct list *l);
int t_linked(const struct list *l);
void t_push_front(struct list *head, struct list *l);
void t_push_back(struct list *head, struct list *l);
void t_del(struct list *l);
struct list *t_pop_front(struct list *head);
void t_splice_back(struct list *to, struct list *from);
int t_entry_id(void);
int t_empty_all(struct list *head);
int t_count(const struct list *head);
]])

describe("list", function()
  local function new(n)
    local l = ffi.new("struct list[?]", n)
    for i = 0, n - 1 do
      S.t_init(l[i])
    end
    return l
  end

  it("is empty at first", function()
    local l = new(1)
    assert.equal(1, S.t_empty(l))
    assert.equal(0, S.t_linked(l))
    assert.is_true(S.t_pop_front(l) == nil)
  end)

  it("takes an element off twice without harm", function()
    local l = new(2)
    S.t_push_back(l[0], l[1])
    assert.equal(1, S.t_linked(l[1]))
    S.t_del(l[1])
    S.t_del(l[1])
    assert.equal(0, S.t_linked(l[1]))
    assert.equal(1, S.t_empty(l[0]))
  end)

  it("finds what an element is embedded in", function()
    assert.equal(42, S.t_entry_id())
  end)

  it("lets the body of a loop take elements off", function()
    local l = new(101)
    for i = 1, 100 do
      S.t_push_back(l[0], l[i])
    end
    assert.equal(100, S.t_count(l))
    assert.equal(100, S.t_empty_all(l))
    assert.equal(1, S.t_empty(l))
  end)

  it("does what a plain list does, over 20000 random operations", function()
    math.randomseed(5)
    local heads, nodes = new(3), new(60)
    local models, on = { [0] = {}, {}, {} }, {}

    local function check(true_or_false) -- luassert is slow in a loop like this
      if not true_or_false then
        error("the list is not what the model says", 2)
      end
    end

    local function same(which)
      local at = heads[which].next
      for _, i in ipairs(models[which]) do
        check(at == nodes + i and at.next.prev == at and at.prev.next == at)
        at = at.next
      end
      check(at == heads + which)
      check((#models[which] == 0) == (S.t_empty(heads[which]) == 1))
    end

    local function take_out(i)
      local m = models[on[i]]
      for at = 1, #m do
        if m[at] == i then
          table.remove(m, at)
          break
        end
      end
      on[i] = nil
    end

    for _ = 1, 20000 do
      local what, h, i = math.random(5), math.random(0, 2), math.random(0, 59)
      if what == 1 and not on[i] then
        S.t_push_front(heads[h], nodes[i])
        table.insert(models[h], 1, i)
        on[i] = h
      elseif what == 2 and not on[i] then
        S.t_push_back(heads[h], nodes[i])
        table.insert(models[h], i)
        on[i] = h
      elseif what == 3 then
        S.t_del(nodes[i])
        if on[i] then
          take_out(i)
        end
      elseif what == 4 then
        local first = S.t_pop_front(heads[h])
        local want = table.remove(models[h], 1)
        check(want and first == nodes + want or first == nil)
        if want then
          on[want] = nil
        end
      elseif what == 5 then
        local to = (h + 1) % 3
        S.t_splice_back(heads[to], heads[h])
        for _, moved in ipairs(models[h]) do
          table.insert(models[to], moved)
          on[moved] = to
        end
        models[h] = {}
      end
      check((on[i] ~= nil) == (S.t_linked(nodes[i]) == 1))
      same(0)
      same(1)
      same(2)
    end
  end)
end)
