#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The image for containers, for `make image`: package/image.sh makes it, skopeo reads it and checks its hashes.
# Then groupcached runs in its root as a container runs it: the first process of a pid namespace, not root, on
# a read-only mount. What a getter's commands leave behind must be reaped, and SIGTERM must end it. If podman or
# docker is here, spec/image/engine.sh tries the image there, too.
# usage: spec/image/try.sh FOLDER VERSION DEBS      (in the root of the source tree, as root)
#
# DEBS is the folder of `make deb`; the package is made there if it has none of this version. Without root, or
# where mounts are not allowed, nothing is made, and the last line says so.
set -eu

[ $# -eq 3 ] || { echo "usage: spec/image/try.sh FOLDER VERSION DEBS" >&2; exit 2; }
mkdir -p "$1" "$3"
out=$(cd "$1" && pwd)
version=$2
log=$out/log
id=65532
keeper=
trap 'status=$?; [ -z "$keeper" ] || kill -9 $keeper 2>/dev/null || true; exit $status' EXIT
trap 'exit 1' INT TERM
: >"$log"

say() { printf '  %-5s %s\n' IMAGE "$*"; }
fail() { echo "image: $*" >&2; exit 1; }
logged() { "$@" >>"$log" 2>&1 || { tail -n 40 "$log" >&2; fail "failed: $*"; }; }

if [ "$(id -u)" -ne 0 ]; then
    echo 'image: skipped: not root'
    exit 0
elif ! unshare --mount --pid --net --fork true 2>/dev/null; then
    echo 'image: skipped: mounts or networks are not allowed here'
    exit 0
fi

# A package of these sources: one that is older than any of them is made anew.
deb=$(ls "$3/groupcache_$version-1_"*.deb 2>/dev/null || true)
if [ -z "$deb" ] || [ -n "$(find src lua proto debian package Makefile -newer "$deb" -print -quit)" ]; then
    say "package in $3"
    logged sh package/deb.sh "$3" "$version"
    deb=$(ls "$3/groupcache_$version-1_"*.deb)
fi

say "made in $1"
logged sh package/image.sh "$out" "$version" "$deb"
skopeo inspect --config "docker-archive:$out/groupcache.tar:groupcache:$version" >"$out/config" 2>>"$log" \
    || { cat "$log" >&2; fail "skopeo cannot read it"; }
grep -q '"User": "65532:65532"' "$out/config" || fail "the user is not in its configuration"
rm -rf "$out/oci"
logged skopeo --insecure-policy copy "docker-archive:$out/groupcache.tar:groupcache:latest" "oci:$out/oci:latest"
rm -rf "$out/oci"

cat >"$out/node.lua" <<'END'
local groupcache = require "groupcache"
groupcache.group("run", { getter = function(command)
  local pipe = assert(io.popen(command))
  local said = pipe:read "*a"
  local ok, how, status = pipe:close()
  return ok and said or nil, not ok and how .. " " .. status or nil
end })
groupcache.group("write", { getter = function(path)
  local file, err = io.open(path, "w")
  return file and "written" or err
end })
groupcache.group("json", { getter = function() return require("cjson").encode { 1, 2 } end })
return { listen = "127.0.0.1:0" }
END

# As the first process: no sh stays in between. A network of its own has all ports free.
start() { # SCRIPT LOG
    # shellcheck disable=SC2016
    env -i PATH="$PATH" unshare --mount --pid --net --fork --kill-child sh -euc '
        ip link set lo up
        mount --bind "$1" "$1"
        mount -t proc proc "$1/proc"
        touch "$1/dev/null"
        mount --bind /dev/null "$1/dev/null"
        [ -z "$2" ] || mount --bind "$2" "$1/etc/groupcache/node.lua"
        mount -o remount,bind,ro "$1"
        exec chroot --userspec=+65532:+65532 --groups=+65532 "$1" /usr/bin/groupcached /etc/groupcache/node.lua
    ' sh "$out/root" "$1" 2>"$2" &
    keeper=$!
    url=
    for _ in $(seq 100); do
        url=$(sed -n 's/.* msg="listening" .*addr=\(.*\)$/\1/p' "$2" | head -n 1)
        [ -z "$url" ] || ! grep -q 'msg="ready"' "$2" || break
        sleep 0.1
    done
    [ -n "$url" ] || { cat "$2" >&2; fail "the node does not start"; }
    node=$(pgrep -P $keeper)
}
ask() { nsenter -t "$node" -n curl -sS --noproxy '*' -m 10 "$@" || { cat "$out/node.log" >&2; fail "no answer"; }; }
. spec/image/checks.sh
ends() {
    kill -TERM "$node"
    status=0
    wait $keeper || status=$?
    keeper=
    same "the status at SIGTERM" 0 $status
}

say "as the first process, not root, on a read-only mount"
start "$out/node.lua" "$out/node.log"
same "the user" "$id" "$(stat -c %u "/proc/$node")"
same "its number" 1 "$(sed -n 's/^NSpid:.*\t//p' "/proc/$node/status")"
same "a command" 7 "$(ask "http://$url/cache/run/echo%207")"
same "a codec" '[1,2]' "$(ask "http://$url/cache/json/x")"
for path in /x /etc/x /var/lib/groupcache/x /tmp/x; do
    same "a write to $path" "$path: Read-only file system" "$(ask "http://$url/cache/write/$path")"
done
# Each command leaves three processes behind, whose parent is the node then.
for i in 1 2 3 4 5; do
    ask "http://$url/cache/run/for%20i%20in%201%202%203%3B%20do%20%28%3A%29%20%26%20done%3B%20echo%20$i" >>"$log"
done
no_zombies "$node"
ends

say "its own script"
start "" "$out/node.log"
same "an address that others reach" "[::]:8080" "$url"
same "the script of the image" "hello, you" "$(ask "http://127.0.0.1:8080/cache/hello/you")"
ends
for engine in podman docker; do
    if $engine info >/dev/null 2>&1; then
        say "under $engine"
        logged sh spec/image/engine.sh $engine "$out/groupcache.tar" "$out/node.lua" "$version"
    else
        say "not tried under $engine: it is not here, or not running"
    fi
done
say "$(du -m "$out/groupcache.tar" | cut -f 1) MB, groupcache:$version"
echo 'image: fine'
