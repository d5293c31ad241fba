#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs a script as a ring of several nodes in this terminal; Ctrl-C ends them all.
# usage: examples/cluster.sh [SCRIPT [NODES [FIRST_PORT]]]
set -eu

script=${1:-examples/quickstart.lua}
nodes=${2:-3}
first=${3:-8080}
bin=${BUILD:-build}/bin/groupcached

peers=
for port in $(seq "$first" $((first + nodes - 1))); do
    peers=$peers${peers:+,}http://127.0.0.1:$port
done

pids=
stop() {
    trap - INT TERM EXIT
    [ -z "$pids" ] || kill $pids 2>/dev/null || true
    wait
}
trap 'stop; exit 0' INT TERM
trap stop EXIT

for port in $(seq "$first" $((first + nodes - 1))); do
    "$bin" "$script" --listen "127.0.0.1:$port" --self "http://127.0.0.1:$port" --peers "$peers" &
    pids="$pids $!"
done

echo "a ring of $nodes nodes: $peers"
echo "each node gives the same answer for a key; X-Cache says where it came from. Ctrl-C ends all."

# Ends all nodes when one ends by itself, since the ring would lack a node.
while kill -0 $pids 2>/dev/null; do
    sleep 1
done
echo "a node ended; stopping the others" >&2
exit 1
