-- SPDX-License-Identifier: MIT

--- How many tests of this run passed, failed (errors too) and were skipped: counted by
-- support/output.lua, read by support/setup.lua for the exit status.
return { passed = 0, failed = 0, skipped = 0 }
