-- SPDX-License-Identifier: MIT

--- kinds(cuts) -> the faults of `make chaos`. With cuts, those of a network namespace too.
-- cluster.lua says what each is. `make keep` writes this list into a spec: a schedule is drawn from
-- it, so a new kind must not change what a kept seed does.

return function(cuts)
  return { "kill", "stop", "reload", "slow", "fails", "clock", "late", "held", "resets",
    cuts and "cut" or nil }
end
