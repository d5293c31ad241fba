# SPDX-License-Identifier: MIT
#
# What try.sh and engine.sh, which include this, ask of a node. They define fail().

# same WHAT WANTED FOUND
same() { [ "$2" = "$3" ] || fail "$1: \"$3\" and not \"$2\""; }

# no_zombies PID: the process has soon reaped all its children.
no_zombies() {
    left=
    for _ in $(seq 100); do
        left=$(ps -o stat= --ppid "$1" | grep -c Z || true)
        [ "$left" -ne 0 ] || break
        sleep 0.05
    done
    same "zombies" 0 "$left"
}
