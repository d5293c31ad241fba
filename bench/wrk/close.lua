-- SPDX-License-Identifier: MIT
-- Every request on a connection of its own: what is counted are handshakes.

dofile "bench/wrk/report.lua"

wrk.headers["Connection"] = "close"
