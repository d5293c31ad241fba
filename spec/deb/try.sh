#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The life of the Debian package, for `make deb`: dpkg-buildpackage makes it from a copy of the tree, lintian
# looks at it. It is used unpacked; then a bare root of this Debian installs, uses and purges it.
# usage: spec/deb/try.sh FOLDER VERSION SYSTEMS      (in the root of the source tree; FOLDER is emptied)
#
# SYSTEMS is the folder of the roots of `make other-systems`. The root keeps nothing of this. Without root, or
# where mounts are not allowed, that part is skipped, and the last line says so.
set -eu

[ $# -eq 3 ] || { echo "usage: spec/deb/try.sh FOLDER VERSION SYSTEMS" >&2; exit 2; }
rm -rf "$1"
mkdir -p "$1" "$3"
out=$(cd "$1" && pwd)
folder=$(cd "$3" && pwd)
version=$2
log=$out/log
limit=1200
. spec/systems/roots.sh

say() { printf '  %-5s %s\n' DEB "$*"; }
fail() { echo "deb: $*" >&2; exit 1; }
logged() { "$@" >>"$log" 2>&1 || { tail -n 40 "$log" >&2; fail "failed: $*"; }; }

say "build in $1"
copy_sources "$out/groupcache"
date=$(git log -1 --format=%cD 2>/dev/null || date -R)
cat >"$out/groupcache/debian/changelog" <<END
groupcache ($version-1) unstable; urgency=medium

  * Version $version. CHANGELOG.md says what is new.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $date
END
# Nothing of an outer make: its flags would be those of the package.
(cd "$out/groupcache" && logged env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CFLAGS -u LDFLAGS \
    DEB_BUILD_OPTIONS="parallel=$(nproc)" dpkg-buildpackage -us -uc -b)
rm -rf "$out/groupcache"
deb=$(ls "$out"/groupcache_*.deb)

say "lintian"
lintian --fail-on error --suppress-tags bogus-mail-host,initial-upload-closes-no-bugs --allow-root \
    "$out"/*.changes >"$out/lintian" 2>&1 || { cat "$out/lintian" >&2; fail "lintian finds errors"; }

say "unpacked"
dpkg-deb -x "$deb" "$out/x"
lua=$out/x/usr/share/lua/5.1
module=$(dirname "$(find "$out/x/usr/lib" -path '*/groupcache/core.so')")
ours() { env -i PATH="$PATH" LUA_PATH="$lua/?.lua;$lua/?/init.lua" LUA_CPATH="${module%/*}/?.so" "$@"; }
(cd / && logged env -i "$out/x/usr/bin/groupcached" check "$out/x/etc/groupcache/node.lua")
(cd / && logged ours luajit -e 'assert(require("groupcache")._VERSION == "'"$version"'")')

system=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
reason=$(why_not)
if [ -n "$reason" ]; then
    echo "deb: fine, but for a root of $system: skipped, $reason"
    exit 0
fi

say "installed and purged in a root of $system"
logged make_root "$system"
fill_root "$system"
mkdir -p "$out/scratch/changes/groupcache"
cp "$deb" "$out/scratch/changes/groupcache/groupcache.deb"
cp spec/deb/inside.sh "$out/scratch/changes/groupcache/"
logged in_root "$system" "sh inside.sh $version" "$out/scratch"
rm -rf "$out/scratch"
say "$(basename "$deb"), $(($(wc -c <"$deb") / 1024)) KB"
echo 'deb: fine'
