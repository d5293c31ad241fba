-- SPDX-License-Identifier: MIT

--- Faults for `make plant` (run.lua), a list of { name=, file=, from=, to= }. The text `from`
-- stands in the file once, and `to` in its place makes the product wrong.

return {
  {
    name = "a lost wake",
    file = "src/cache/after.c",
    from = "        w->wake(w, &a->result);\n",
    to = [[
        if (!a->result.item && !list_empty(&a->woken)) /* of a failed load only the last is told */
            continue;
        w->wake(w, &a->result);
]],
  },
  {
    name = "a removal not sent to the last owner",
    file = "src/change/change.c",
    from = "    for (i = 0; i < c->keys.n; i++) {\n        if (owners[i])\n"
      .. "            tell_owner(c, owners, i);\n",
    to = [[
    for (i = 0; i < c->keys.n; i++) {
        if (owners[i] && c->keys.n > 1 && i + 1 == c->keys.n) /* it is told with all others */
            peer_unref(owners[i]);
        else if (owners[i])
            tell_owner(c, owners, i);
]],
  },
  {
    name = "an expiry in wall time",
    file = "src/cache/group_keep.c",
    from = "#include \"base/clock.h\"\n",
    -- What the virtual clock begins with is taken off, so only a step of the clock makes it wrong.
    to = "#include \"base/clock.h\"\n"
      .. "#define clock_ms() (clock_wall_ns() / 1000000 - 1699999000000u)\n",
  },
  {
    name = "a flight not ended",
    file = "src/cache/group_load.c",
    from = "    end_until(g, now_ms, &late);\n",
    to = "    (void)late; /* a late getter's load waits for its end */\n",
  },
  {
    name = "a stale copy after a flush",
    file = "src/cache/group_change.c",
    from = "    g->stats.flushed_bytes += lru_clear(g->hot, spare_hot, &g->flushed);\n",
    to = "    (void)spare_hot; /* copies of peers' values stay */\n",
  },
}
