-- SPDX-License-Identifier: MIT
-- The ring with 1,000 peers, each 50 times: looking a key up, and taking a new list of peers, in
-- which one peer differs. Readers are to go on with the old list meanwhile: a thread looks keys up
-- all the time, and a look-up that takes half as long as a change, or longer, has waited. One that
-- waits for every change comes to 1; the machine's own pauses count too.

local pin = require "bench.lib.pin"
local program = require "bench.lib.program"

local PEERS = 1000

local function sides(what, pinned)
  return {
    { name = "ours", round = function(_, _, bench)
      return program.run(pinned { program.built "engine", what, PEERS, bench.seconds })
    end },
    { name = "Go", round = function(_, _, bench)
      return program.run(pinned { program.built "gopeer", what, "-peers", PEERS, "-seconds",
        bench.seconds })
    end },
  }
end

return {
  {
    title = "ring look-up, 1,000 peers x 50",
    sides = sides("ring", pin.on_server),
    lines = {
      { figure = "ns/look-up", of = "ns", ours = "ours", peer = "Go", reach = 0.5,
        better = "less" },
    },
  },
  {
    title = "set_peers, 1,000 peers",
    sides = sides("set", pin.on_both),
    lines = {
      { figure = "ms/change", of = "ms", ours = "ours", peer = "Go", reach = 1, better = "less" },
      { figure = "look-ups that waited, a change", of = "waited", ours = "ours", reach = 0.1,
        better = "less" },
      { figure = "look-ups that waited, a change", of = "waited", ours = "ours", peer = "Go" },
    },
  },
}
