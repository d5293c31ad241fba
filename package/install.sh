#!/bin/sh
# SPDX-License-Identifier: MIT
#
# For `make install` and `make uninstall`: copies files and writes down what it made, or removes just that.
# usage: package/install.sh install DESTDIR LIST     (stdin: MODE, SOURCE and TARGET a line, with tabs between)
#        package/install.sh uninstall DESTDIR LIST
#
# LIST is the file that has the files and the folders, each a path without DESTDIR; a folder ends with a slash.
# Folders that were there before are not in it, so they stay. An install over an older one adds to the list, so
# an uninstall removes also what only the older one had. An empty LIST writes none.
set -eu

dest=$2
list=$3
tab=$(printf '\t')

absolute() { # PATH: below DESTDIR, or else where make runs, if it is relative
    case "$dest:$1" in
    *:/*) echo "$1" ;;
    :*) echo "$PWD/$1" ;;
    *) echo "/$1" ;;
    esac
}

make_folder() { # FOLDER: makes it with its parents, and prints those that it made
    if [ -z "$1" ]; then
        mkdir -p "$dest/"
    elif [ ! -d "$dest$1" ]; then
        make_folder "${1%/*}"
        install -d -m 755 "$dest$1"
        echo "$1/"
    fi
}

install_files() {
    while IFS=$tab read -r mode source target; do
        target=$(absolute "$target")
        make_folder "${target%/*}"
        install -m "$mode" "$source" "$dest$target"
        echo "$target"
    done
}

case $1 in
install)
    if [ -z "$list" ]; then
        install_files >/dev/null
        exit 0
    fi
    list=$(absolute "$list")
    made=$(mktemp)
    trap 'rm -f "$made"' EXIT
    {
        make_folder "${list%/*}"
        echo "$list"
        install_files
    } >"$made"
    [ ! -e "$dest$list" ] || cat "$dest$list" >>"$made"
    LC_ALL=C sort -u "$made" >"$dest$list.new"
    chmod 644 "$dest$list.new"
    mv "$dest$list.new" "$dest$list"
    ;;
uninstall)
    [ -z "$list" ] || list=$(absolute "$list")
    if [ ! -e "$dest$list" ] || [ -z "$list" ]; then
        echo "uninstall: there is no $dest$list, which \`make install\` writes: is PREFIX the same?" >&2
        exit 1
    fi
    # A folder stands before what is in it, so the last line goes first. Others may have put files there.
    LC_ALL=C sort -r "$dest$list" | while IFS= read -r path; do
        case $path in
        */) rmdir "$dest$path" 2>/dev/null || true ;;
        *) rm -f "$dest$path" ;;
        esac
    done
    ;;
*)
    echo "usage: package/install.sh install|uninstall DESTDIR LIST" >&2
    exit 2
    ;;
esac
