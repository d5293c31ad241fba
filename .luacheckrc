-- SPDX-License-Identifier: MIT
std = "luajit"
max_line_length = 100
cache = false
exclude_files = { "build*" }
files["spec"] = { std = "+busted" }
files["lua/groupcache/_meta.lua"] = { ignore = { "211", "212", "241" }, max_line_length = false }
files["bench/wrk"] = { globals = { "setup", "init", "delay", "request", "done", "ran_out", "wrk" } }
