#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Debian package: dpkg-buildpackage makes it in a copy of the tree, for which debian/changelog is written.
# usage: package/deb.sh FOLDER VERSION      (in the root of the source tree)
#
# FOLDER is made; it gets the packages, what dpkg-buildpackage says of them, and `build`, all that was said.
set -eu

mkdir -p "$1"
out=$(cd "$1" && pwd)
version=$2
. package/sources.sh

rm -f "$out"/groupcache*.deb
copy_sources "$out/groupcache"
date=$(git log -1 --format=%cD 2>/dev/null || date -R)
cat >"$out/groupcache/debian/changelog" <<END
groupcache ($version-1) unstable; urgency=medium

  * Version $version. CHANGELOG.md says what is new.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $date
END
# Nothing of an outer make: its flags would be those of the package.
(cd "$out/groupcache" && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CFLAGS -u CPPFLAGS -u LDFLAGS \
    DEB_BUILD_OPTIONS="parallel=$(nproc)" dpkg-buildpackage -us -uc -b) >"$out/build" 2>&1 || {
    tail -n 40 "$out/build" >&2
    exit 1
}
rm -rf "$out/groupcache"
