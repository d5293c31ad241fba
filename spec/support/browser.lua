-- SPDX-License-Identifier: MIT

--- A real Chromium, driven by playwright-core. `make browser` installs both.
--
--   browser.missing -> nil, or what is not installed
--   browser.run(script, ...) -> what the script printed, decoded from JSON; raises when it fails
--
-- The script is a file for Node.js. It gets the arguments as texts, and finds playwright-core and
-- the program of the browser through the environment.

local cjson = require "cjson"
local lfs = require "lfs"
local process = require "support.process"

local CHROMIUM = "/usr/bin/chromium"
local MODULES = lfs.currentdir() .. "/" .. (os.getenv "BUILD" or "build") .. "/browser/node_modules"

local browser = {}

browser.missing = not (lfs.attributes(CHROMIUM, "mode")
  and lfs.attributes(MODULES .. "/playwright-core", "mode"))
  and "no browser (make browser)" or nil

function browser.run(script, ...)
  local r = process.run { "node", script, timeout = 120,
    env = { NODE_PATH = MODULES, CHROMIUM = CHROMIUM, LD_PRELOAD = false }, ... }
  assert(r.code == 0, r.stdout .. r.stderr)
  return cjson.decode(r.stdout)
end

return browser
