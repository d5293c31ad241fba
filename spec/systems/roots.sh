# SPDX-License-Identifier: MIT
#
# Roots of Debian releases, for scripts that are run with sh: `. spec/systems/roots.sh`. The caller has set
# $folder, where the roots are, and $limit, the seconds for a command in one.

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

# What a machine has and a bare root lacks.
fill_root() { # SYSTEM
    cp -L /etc/resolv.conf "$folder/$1/etc/resolv.conf"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$folder/$1/etc/hosts"
    {
        echo 'Acquire::Check-Valid-Until "false";' # a mirror may lag behind
        echo "${proxy:+Acquire::http::Proxy \"$proxy\";}"
    } >"$folder/$1/etc/apt/apt.conf.d/90groupcache"
}

# The sources, without what was built from them.
copy_sources() { # TARGET, which is made anew
    rm -rf "$1"
    mkdir -p "$1"
    tar -cf - --exclude=./.git --exclude=./build --exclude='./build-*' . | tar -xf - -C "$1"
}

# In namespaces of its own, so that no mount and no process outlives it. The root stays as it is if there is a
# third word: that folder takes what changes, in its folder `changes`.
in_root() { # SYSTEM COMMAND [FOLDER]
    # shellcheck disable=SC2016
    timeout --foreground -k 10 "$limit" unshare --mount --pid --fork --kill-child sh -eu -c '
        root=$1
        if [ -n "$3" ]; then
            mkdir -p "$3/changes" "$3/work" "$3/root"
            mount -t overlay -o "lowerdir=$1,upperdir=$3/changes,workdir=$3/work" overlay "$3/root"
            root=$3/root
        else
            mount --bind "$root" "$root" # a root must be a mount for unshare in it
        fi
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount --rbind /sys "$root/sys"
        exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive sh -c "cd /groupcache && $2"
    ' sh "$folder/$1" "$2" "${3:-}" </dev/null
}
