# SPDX-License-Identifier: MIT
# For gdb in the root of the checkout: docs/debugging.md. gdb loads this by itself only from a folder
# that it trusts; `gdb -x .gdbinit` always does.
set print pretty on
set pagination off
# Workers take this signal when a getter is late; a VM may get many.
handle SIGVTALRM nostop noprint pass
source gdb/groupcache.py
