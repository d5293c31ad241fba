#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In a root, where /groupcache has groupcache.deb: spec/deb/try.sh runs this there, as root.
# usage: inside.sh VERSION
set -eux

version=$1
script=/etc/groupcache/node.lua

fail() { echo "inside: $*" >&2; exit 1; }

# Names of all files but those that dpkg and apt keep, and of the users, which Debian does not remove.
all_files() {
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /groupcache \
        -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log \
        -o -path '/etc/passwd*' -o -path '/etc/group*' -o -path '/etc/shadow*' -o -path '/etc/gshadow*' \
        -o -path /etc/.pwd.lock -o -path /run -o -path /root \) -prune -o -print | sort
}

apt-get -q update
# A slim root may leave out what people read.
rm -f /etc/dpkg/dpkg.cfg.d/docker
apt-get -q -y --no-install-recommends satisfy "$(dpkg-deb -f groupcache.deb Depends)" luajit
all_files >/tmp/before

dpkg -i groupcache.deb

[ "$(groupcached --version)" = "groupcached $version" ] || fail "--version says $(groupcached --version)"
groupcached check $script
[ "$(luajit -e 'io.write(require("groupcache")._VERSION)')" = "$version" ] || fail "require in LuaJIT"
for file in /usr/share/man/man8/groupcached.8.gz /usr/share/bash-completion/completions/groupcached \
    /usr/share/zsh/vendor-completions/_groupcached /usr/share/fish/vendor_completions.d/groupcached.fish \
    /usr/share/doc/groupcache/README.Debian /usr/share/doc/groupcache/examples/quickstart.lua; do
    [ -f "$file" ] || fail "there is no $file"
done
dpkg-query -W -f='${Conffiles}\n' groupcache | grep -q " $script " || fail "$script is no conffile"
getent passwd groupcache | grep -q :/usr/sbin/nologin || fail "the user is not as it should be"

# The unit's words, for systemd; it says unknown ones on stderr and ends with 0.
unit=$(find /lib/systemd /usr/lib/systemd -name groupcached.service | head -n 1)
grep -q '^User=groupcache$' "$unit" || fail "the unit has no user"
if command -v systemd-analyze >/dev/null; then
    systemd-analyze verify "$unit" 2>/tmp/said || fail "$(cat /tmp/said)"
    ! grep groupcached /tmp/said || fail "the unit"
fi
[ -L /etc/systemd/system/multi-user.target.wants/groupcached.service ] || fail "the service is not enabled"
[ ! -L /etc/systemd/system/sockets.target.wants/groupcached.socket ] || fail "the socket is enabled"

# As the unit's user, with a script that others may not read.
ip link set lo up 2>/dev/null || true
chown root:groupcache $script
chmod 640 $script
setpriv --reuid=groupcache --regid=groupcache --clear-groups --no-new-privs \
    groupcached $script --listen 127.0.0.1:0 2>/tmp/node.log &
node=$!
url=
for _ in $(seq 100); do
    url=$(sed -n 's/.* msg="listening" .*addr=\([0-9.:]*\).*/\1/p' /tmp/node.log)
    [ -z "$url" ] || ! grep -q 'msg="ready"' /tmp/node.log || break
    sleep 0.1
done
groupcached get --node "http://$url" licenses GPL-3 >/tmp/got || { cat /tmp/node.log >&2; fail "no value"; }
cmp /tmp/got /usr/share/common-licenses/GPL-3
kill -TERM $node
wait $node || fail "the node ended with $?"

# What the administrator has changed stays, when the package comes again and when it is removed.
echo '-- changed here' >>$script
dpkg -i groupcache.deb
grep -q 'changed here' $script || fail "a change of $script is lost"
[ "$(stat -c %a:%G $script)" = 640:groupcache ] || fail "the mode of $script is lost"
dpkg -r groupcache
grep -q 'changed here' $script || fail "a change of $script is lost by a removal"
mkdir -p /var/lib/groupcache
touch /var/lib/groupcache/snapshot
dpkg -P groupcache

all_files >/tmp/after
diff /tmp/before /tmp/after || fail "purged, but these are left"
