#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The life of the rock, offline, for `make rock`: LuaRocks builds a copy of the tree and installs it
# into a tree of its own; what it installed is used from there alone; LuaRocks removes it.
# usage: spec/rock/try.sh FOLDER VERSION      (in the root of the source tree; FOLDER is emptied)
set -eu

[ $# -eq 2 ] || { echo "usage: spec/rock/try.sh FOLDER VERSION" >&2; exit 2; }
spec=rockspec/groupcache-scm-1.rockspec
version=$2
rm -rf "$1"
mkdir -p "$1/src" "$1/tree" "$1/home" "$1/files"
out=$(cd "$1" && pwd)
tree=$out/tree
log=$out/log
server=
status=0
trap 'status=$?; [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true; exit $status' EXIT
trap 'exit 1' INT TERM

say() { printf '  %-5s %s\n' ROCK "$*"; }
fail() { echo "rock: $*" >&2; exit 1; }

# Nothing of this environment: no LUA_PATH, no flags of an outer make, no settings of the user's.
bare() { env -i PATH="$PATH" HOME="$out/home" LC_ALL=C "$@"; }
rocks() { bare MAKEFLAGS="-j$(nproc)" luarocks --lua-version=5.1 --tree="$tree" "$@"; }
logged() { "$@" >>"$log" 2>&1 || { cat "$log" >&2; fail "failed: $*"; }; }
same() { diff "$out/$1" "$out/$2" >&2 || fail "$3"; }

say "install into $1/tree"
here=$(pwd)
inside=${out#"$here"/} # FOLDER may be inside of the tree, in a folder of another name than build
tar -cf "$out/src.tar" --exclude=./.git --exclude=./build --exclude='./build-*' \
    --exclude="./${inside%%/*}/" --exclude="./$inside" .
tar -xf "$out/src.tar" -C "$out/src"
cd "$out/src"
sources() { find . -path ./build -prune -o -type f -exec cksum {} + | sort -k 3; }
sources >"$out/before"
logged rocks lint $spec
logged rocks make --deps-mode=none $spec
sources >"$out/after"
same before after "the build leaves its marks outside of build/"
grep -E '^ +(CC|LINK) ' "$log" | sort | uniq -d >"$out/twice"
[ ! -s "$out/twice" ] || { cat "$out/twice" >&2; fail "installing compiles again"; }

{
    echo bin/groupcached
    echo lib/lua/5.1/groupcache/core.so
    find lua -name '*.lua' | sed 's,^lua/,share/lua/5.1/,'
} | sort >"$out/wanted"
(cd "$tree" && find bin lib/lua share -type f | sort) >"$out/installed"
same wanted installed "installed is not what should be"
home=$(rocks show --rock-dir groupcache)
[ -f "$home/share/man/man8/groupcached.8" ] || fail "no man page in $home"
[ -f "$home/docs/api.md" ] || fail "no docs in $home"

# From here on there is the installed tree only, and another folder is the current one.
cd /
rm -rf "$out/src" "$out/src.tar"

say 'groupcached'
bare "$tree/bin/groupcached" --version >"$out/said"
[ "$(cat "$out/said")" = "groupcached $version" ] || fail "--version says $(cat "$out/said")"
bare "$tree/bin/groupcached" check "$home/examples/quickstart.lua" >>"$log" 2>&1 \
    || { cat "$log" >&2; fail "check of the quick start"; }

echo "a value" >"$out/files/key"
# Not through a function, whose shell would get the signals instead.
env -i QUICKSTART_ROOT="$out/files/" "$tree/bin/groupcached" "$home/examples/quickstart.lua" \
    --listen 127.0.0.1:0 2>"$out/node.log" &
server=$!
url=
for _ in $(seq 100); do
    url=$(sed -n 's/.* msg="listening" .*addr=\([0-9.:]*\).*/\1/p' "$out/node.log")
    [ -z "$url" ] || ! grep -q 'msg="ready"' "$out/node.log" || break
    kill -0 $server 2>/dev/null || break
    sleep 0.1
done
ask() { curl -sS --noproxy '*' -m 10 "$@" || { cat "$out/node.log" >&2; fail "no answer"; }; }
[ -n "$url" ] || { cat "$out/node.log" >&2; fail "the node does not start"; }
[ "$(ask "http://$url/cache/files/key")" = "a value" ] || fail "the quick start's answer"
ask -I "http://$url/cache/files/key" | tr -d '\r' | grep -qix 'x-cache: main' || fail "no hit"
[ "$(ask -o "$out/said" -w '%{http_code}' "http://$url/cache/files/none")" = 404 ] || fail "no 404"
kill -TERM $server
wait $server || fail "groupcached ended with $?: $(cat "$out/node.log")"
server=
status=0

say 'library'
lua="$tree/share/lua/5.1/?.lua;$tree/share/lua/5.1/?/init.lua"
# What the rock depends on was not installed with it: it is the system's, for C modules.
library() { bare LUA_PATH="$lua" LUA_CPATH="$tree/lib/lua/5.1/?.so;;" timeout 60 luajit "$@"; }
library -e 'local g = require "groupcache" print(g._VERSION)' >"$out/said" || fail "require fails"
[ "$(cat "$out/said")" = "$version" ] || fail "_VERSION is $(cat "$out/said")"
if [ -f "$home/examples/library.lua" ]; then
    logged library "$home/examples/library.lua"
fi

say 'remove'
logged rocks remove groupcache
find "$tree" -iname '*groupcache*' >"$out/left"
grep -rl groupcache "$tree" >>"$out/left" || true
[ ! -s "$out/left" ] || { cat "$out/left" >&2; fail "removed, but these are left"; }

echo 'rock: fine'
