-- SPDX-License-Identifier: MIT

--- Makes a report of `make bench` the one that the project shows, for `make results`.
--
--   luajit bench/renew.lua REPORT       from the root of the tree
--
-- docs/results.md becomes REPORT, and the figures in README.md become those of REPORT. If REPORT
-- lacks a figure that README.md quotes, nothing is changed, and the status is 1.

package.path = "./spec/?.lua;./?.lua;" .. package.path

local quote = require "bench.lib.quote"
local tmp = require "support.tmp"

local report = assert(tmp.read(assert(arg[1], "usage: luajit bench/renew.lua REPORT")))
local readme, missing = quote.renew(assert(tmp.read "README.md"), report)
if not readme then
  io.stderr:write("results: ", missing, "; nothing is changed\n")
  os.exit(1)
end
tmp.write("docs/results.md", report)
tmp.write("README.md", readme)
print "results: docs/results.md and README.md have the figures of this run"
