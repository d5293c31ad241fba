#!/bin/sh
# SPDX-License-Identifier: MIT
#
# `make test` on other releases of Debian, for `make other-systems`: each in a root that debootstrap makes, with
# nothing in it but what README.md says and what `make test` installs for itself.
# usage: spec/systems/try.sh FOLDER SYSTEM...     (in the root of the source tree, as root)
#
# FOLDER/SYSTEM is the root, kept for the next run and brought up to date by it; FOLDER/SYSTEM.log has all
# that the last run said. T=, CC=, CFLAGS=, LDFLAGS=, WERROR= and SAN= of the environment reach that
# `make test`. The last lines are a table; the status is 1 if a system is red. A system that cannot be tried
# here is skipped, and the table says why.
set -eu

[ $# -ge 2 ] || { echo "usage: spec/systems/try.sh FOLDER SYSTEM..." >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
limit=5400 # seconds, for all that happens in one root

proxy=$(apt-config dump --format '%v%n' Acquire::http::Proxy 2>/dev/null || true)
proxy=${proxy:-${http_proxy:-}}

# The mirror of this system if it is a Debian, else debootstrap's own.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' \
    2>/dev/null | grep -v -e -security | head -n 1 || true)

why_not() {
    if [ "$(id -u)" -ne 0 ]; then
        echo 'not root'
    elif ! command -v debootstrap >/dev/null; then
        echo 'no debootstrap'
    elif ! unshare --mount --pid --fork true 2>/dev/null; then
        echo 'mounts are not allowed here'
    fi
}

# A root is made under another name, so one of that name is complete.
make_root() { # SYSTEM
    [ ! -d "$folder/$1" ] || return 0
    rm -rf "$folder/$1.new"
    # shellcheck disable=SC2086
    unshare --mount debootstrap --variant=minbase "$1" "$folder/$1.new" $mirror || return 1
    mv "$folder/$1.new" "$folder/$1"
}

# What a machine has and a bare root lacks; the sources, without what was built from them.
fill_root() { # SYSTEM
    cp -L /etc/resolv.conf "$folder/$1/etc/resolv.conf"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$folder/$1/etc/hosts"
    {
        echo 'Acquire::Check-Valid-Until "false";' # a mirror may lag behind
        echo "${proxy:+Acquire::http::Proxy \"$proxy\";}"
    } >"$folder/$1/etc/apt/apt.conf.d/90groupcache"
    rm -rf "$folder/$1/groupcache"
    mkdir "$folder/$1/groupcache"
    tar -cf - --exclude=./.git --exclude=./build --exclude='./build-*' . | tar -xf - -C "$folder/$1/groupcache"
}

# In namespaces of its own, so that no mount and no process outlives it.
in_root() { # SYSTEM COMMAND
    timeout --foreground -k 10 "$limit" unshare --mount --pid --fork --kill-child sh -eu -c '
        mount --bind "$1" "$1" # a root must be a mount for unshare in it
        mount -t proc proc "$1/proc"
        mount --rbind /dev "$1/dev"
        mount --rbind /sys "$1/sys"
        exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive sh -c "cd /groupcache && $2"
    ' sh "$folder/$1" "$2" </dev/null
}

settings=
for name in T CC CFLAGS LDFLAGS WERROR SAN; do
    eval "value=\${$name:-}"
    [ -z "$value" ] || settings="$settings $name='$value'"
done

reason=$(why_not)
table=$(mktemp)
trap 'rm -f "$table"' EXIT
trap 'exit 1' INT TERM
printf 'system\tlibmicrohttpd\tlibcurl\tcompiler\tLuaJIT\twarnings\tresult\n' >"$table"
status=0

row() { # SYSTEM LOG RESULT
    v=$(sed -n 's/^versions: //p' "$2" 2>/dev/null | tail -n 1)
    warnings=$(grep -c 'warning:' "$2" 2>/dev/null || true)
    printf '%s\t%s\t%s\t%s\n' "$1" "${v:--	-	-	-}" "${warnings:--}" "$3" >>"$table"
}

for system in "$@"; do
    log=$folder/$system.log
    rm -f "$log"
    if [ -n "$reason" ]; then
        row "$system" "$log" "skipped: $reason"
        continue
    fi
    echo "$system: $log"
    if ! make_root "$system" >"$log" 2>&1; then
        tail -n 3 "$log"
        row "$system" "$log" "skipped: no root could be made, the log says why"
        continue
    fi
    fill_root "$system"
    red=
    {
        in_root "$system" 'apt-get -q update && apt-get -q -y dist-upgrade && apt-get -q install -y make git' ||
            echo "not brought up to date"
        in_root "$system" "${CC:+.ci/deps $CC && }make test$settings" || echo "ended with $?"
        in_root "$system" "printf 'versions: %s\t%s\t%s\t%s\n' \$(pkg-config --modversion libmicrohttpd libcurl) \
            \"\$(\${CC:-gcc} --version | head -n 1)\" \"\$(luajit -v | cut -d ' ' -f 2)\"" || true
    } >>"$log" 2>&1
    awk '/^(FAILED|ERROR) / { on = 1; print; next }
        on && /^    / { if (on++ < 8) print; next }
        { on = 0 }' "$log"
    said=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    ended=$(grep '^ended with ' "$log" | tail -n 1 || true)
    if [ -n "$ended" ] || [ -z "$said" ]; then
        red='red: '
        status=1
    fi
    row "$system" "$log" "$red${said:-no specs were run}"
done

column -t -s "$(printf '\t')" <"$table" 2>/dev/null || cat "$table"
exit $status
