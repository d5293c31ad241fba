local groupcache = require "groupcache"
local function f(k) return k end
groupcache.group("g",{getter=f}):start("x")
