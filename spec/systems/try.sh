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

. spec/systems/roots.sh

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
    copy_sources "$folder/$system/groupcache"
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
