#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The image under a container engine, as people run it: loaded, without root, on a read-only mount, in a limit of
# memory. `spec/image/try.sh` runs this if the engine is there.
# usage: spec/image/engine.sh ENGINE TAR SCRIPT VERSION
#
# ENGINE is podman or docker, as root, with options if need be ("podman --runtime=runc"). SCRIPT is that of try.sh.
# The image and the containers are removed at the end.
set -eu

[ $# -eq 4 ] || { echo "usage: spec/image/engine.sh ENGINE TAR SCRIPT VERSION" >&2; exit 2; }
engine=$1
script=$(realpath "$3")
name=groupcache-try-$$
image=groupcache:$4

fail() { echo "image: under $engine: $*" >&2; exit 1; }
. "$(dirname "$0")/checks.sh"
run() { $engine run -d --name "$name" --read-only "$@" >/dev/null || fail "it does not start: $*"; }
# In the container: the image has no program but groupcached and a shell.
inside() { $engine exec "$name" groupcached "$@"; }
state() { $engine inspect -f "{{.State.$1}}" "$name"; }
ready() {
    for _ in $(seq 300); do
        ! $engine logs "$name" 2>&1 | grep -q 'msg="ready"' || return 0
        sleep 0.1
    done
    $engine logs "$name" >&2
    fail "the node is not ready"
}
ends() {
    $engine stop -t 20 "$name" >/dev/null
    same "the status at SIGTERM" 0 "$(state ExitCode)"
    $engine rm -f "$name" >/dev/null
}

trap 'status=$?; $engine rm -f "$name" >/dev/null 2>&1 || true; exit $status' EXIT
trap 'exit 1' INT TERM
$engine load -i "$2" >/dev/null

# No network: health and values come from commands inside.
run --network none --memory 512m --user 12345:12345 --health-cmd "groupcached stats" \
    -v "$script:/etc/groupcache/node.lua:ro" "$image" /etc/groupcache/node.lua --listen :8080
ready
same "a command" 7 "$(inside get run 'echo 7')"
same "the user" 12345 "$(stat -c %u "/proc/$(state Pid)")"
same "a write" "/etc/x: Read-only file system" "$(inside get write /etc/x)"
inside check /etc/groupcache/node.lua | grep -q '512 MiB' || fail "the limit of memory is not seen"
case $engine in
podman*) $engine healthcheck run "$name" >/dev/null || fail "it is not healthy" ;;
*) inside stats >/dev/null || fail "it is not healthy" ;;
esac
for i in 1 2 3; do
    inside get run "for i in 1 2 3; do (:) & done; echo $i" >/dev/null
done
no_zombies "$(state Pid)"
ends

# The network of the machine, with the image's own script on a free port.
run --network host "$image" /etc/groupcache/node.lua --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0
ready
url=$($engine logs "$name" 2>&1 | sed -n 's/.* msg="listening" .*addr=\([0-9.:]*\)$/\1/p' | head -n 1)
same "the script of the image" "hello, you" "$(curl -sS --noproxy '*' -m 10 "http://$url/cache/hello/you")"
ends
$engine rmi "$image" groupcache:latest >/dev/null
