#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The program of the last release, for `make upgrade`: prints its path, and on stderr what it is.
# usage: spec/upgrade/build.sh FOLDER [COMMIT]      (in the root of the source tree)
#
# The last release is the highest tag v* that is below the current commit and not at it. COMMIT is another
# one. The sources are those of the commit, in FOLDER; a program that is there already is not built again.
# Without a tag it prints nothing, says so loudly, and ends with 0.
set -eu

[ $# -ge 1 ] || { echo "usage: spec/upgrade/build.sh FOLDER [COMMIT]" >&2; exit 2; }
last=${2:-}
if [ -z "$last" ]; then
    here=$(git rev-parse HEAD 2>/dev/null || true)
    for tag in $(git tag --merged HEAD --sort=-version:refname --list 'v[0-9]*' 2>/dev/null); do
        [ "$(git rev-parse "$tag^{commit}")" != "$here" ] || continue
        last=$tag
        break
    done
fi
if [ -z "$last" ]; then
    echo "upgrade: SKIPPED: there is no tag v* of a release before this one (LAST=COMMIT names one)" >&2
    exit 0
fi

commit=$(git rev-parse --verify --quiet "$last^{commit}") || {
    echo "upgrade: there is no commit $last here" >&2
    exit 1
}
mkdir -p "$1"
folder=$(cd "$1" && pwd)/$commit
if [ ! -x "$folder/build/bin/groupcached" ]; then
    rm -rf "$folder"
    mkdir "$folder"
    git archive "$commit" | tar -xf - -C "$folder"
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD make -C "$folder" -j"$(nproc)" BUILD=build all \
        >"$folder.log" 2>&1 || { tail -n 30 "$folder.log" >&2; exit 1; }
fi
echo "upgrade: beside $last, $("$folder/build/bin/groupcached" --version)" >&2
echo "$folder/build/bin/groupcached"
