# SPDX-License-Identifier: MIT
#
# For scripts that are run with sh in the root of the source tree: `. package/sources.sh`.

# The sources, without what was built from them.
copy_sources() { # TARGET, which is made anew
    rm -rf "$1"
    mkdir -p "$1"
    tar -cf - --exclude=./.git --exclude=./build --exclude='./build-*' . | tar -xf - -C "$1"
}
