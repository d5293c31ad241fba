#!/bin/sh
# SPDX-License-Identifier: MIT
#
# An image for containers, out of the Debian package and the packages that it needs: no package manager, no
# maintainer scripts, only what a node and the getters' `io.popen` use.
# usage: package/image.sh FOLDER VERSION DEB      (in the root of the source tree)
#
# FOLDER gets `root`, the tree, and groupcache.tar, which `docker load` and `podman load` take, with the tags
# groupcache:VERSION and groupcache:latest. The program runs as 65532, and writes nothing but its log.
set -eu

mkdir -p "$1"
out=$(cd "$1" && pwd)
version=$2
deb=$3
root=$out/root
id=65532
system=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

rm -rf "$root" "$out/layer.tar" "$out/archive" "$out/groupcache.tar"

# The libraries, by the package's own list; for scripts JSON, MessagePack, certificates, and a shell for
# `io.popen`.
needs=$(dpkg-deb -f "$deb" Depends | tr ',' '\n' | sed -n 's/^ *\(lib[^ ]*\).*/\1/p' | paste -sd ,)
mmdebstrap --quiet --variant=extract --include="$needs,lua-cjson,lua-mpack,ca-certificates,dash,tzdata" \
    "$system" "$root"
dpkg-deb -x "$deb" "$root"

# What maintainer scripts would have made.
[ -e "$root/bin/sh" ] || ln -s dash "$root/bin/sh"
cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
printf 'root:x:0:0::/:/bin/sh\ngroupcache:x:%s:%s::/:/bin/sh\n' $id $id >"$root/etc/passwd"
printf 'root:x:0:\ngroupcache:x:%s:\n' $id >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/var/lib/groupcache"
chmod 1777 "$root/tmp"
chown $id:$id "$root/var/lib/groupcache"
install -m 644 package/image.lua "$root/etc/groupcache/node.lua"

# Nobody reads these there; licences stay.
rm -rf "$root"/usr/share/man "$root"/usr/share/locale "$root"/usr/share/info "$root"/usr/share/lintian \
    "$root"/usr/share/bash-completion "$root"/usr/share/zsh "$root"/usr/share/fish "$root"/lib/systemd \
    "$root"/usr/lib/systemd "$root"/usr/lib/sysusers.d "$root"/var/lib/dpkg "$root"/var/lib/apt \
    "$root"/var/cache "$root"/var/log "$root"/etc/apt
find "$root/usr/share/doc" ! -type d ! -name copyright -delete
find "$root/usr/share/doc" -type d -empty -delete

tar -C "$root" --sort=name --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf "$out/layer.tar" .
layer=$(sha256sum "$out/layer.tar" | cut -d ' ' -f 1)

# The form of `docker save`: a list, a configuration named by its hash, and the layer.
mkdir -p "$out/archive/$layer"
mv "$out/layer.tar" "$out/archive/$layer/layer.tar"
cat >"$out/archive/config.json" <<END
{"architecture":"$(dpkg --print-architecture)","os":"linux","created":"$created",
"config":{"User":"$id:$id","Env":["PATH=/usr/bin:/bin"],"WorkingDir":"/","StopSignal":"SIGTERM",
"Entrypoint":["/usr/bin/groupcached"],"Cmd":["/etc/groupcache/node.lua"],"ExposedPorts":{"8080/tcp":{}},
"Labels":{"org.opencontainers.image.title":"groupcache","org.opencontainers.image.version":"$version"}},
"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]},
"history":[{"created":"$created","created_by":"make image"}]}
END
config=$(sha256sum "$out/archive/config.json" | cut -d ' ' -f 1)
mv "$out/archive/config.json" "$out/archive/$config.json"
printf '[{"Config":"%s.json","RepoTags":["groupcache:%s","groupcache:latest"],"Layers":["%s/layer.tar"]}]\n' \
    "$config" "$version" "$layer" >"$out/archive/manifest.json"
tar -C "$out/archive" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    -cf "$out/groupcache.tar" .
rm -rf "$out/archive"
