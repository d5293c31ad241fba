#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh FOLDER TARGET...: runs the programs FOLDER/targets/TARGET for FUZZ_SECONDS each, two at a time,
# from spec/fuzz/corpus/TARGET on. INPUT=FILE runs that input alone. Ends with "fuzz: fine", or prints
# each input that ended a target, and how to run it again.
set -u
folder=$(cd "$1" && pwd)
shift
seconds=${FUZZ_SECONDS:-20}
export ASAN_OPTIONS="detect_leaks=1:${ASAN_OPTIONS:-}" UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"

if [ -n "${INPUT:-}" ]; then
    exec "$folder/targets/$1" "$INPUT"
fi

# One target: its log is printed if it fails.
one() {
    name=$1
    mkdir -p "$folder/corpus/$name" "$folder/found" "spec/fuzz/corpus/$name"
    if [ "$name" = fetch ]; then
        ${LUAJIT:-luajit} spec/fuzz/seeds.lua "$folder/corpus/$name"
    fi
    dict=spec/fuzz/$name.dict
    if [ "$name" = fetch ] || [ "$name" = request ]; then
        dict=spec/fuzz/http.dict
    fi
    set -- "$folder/targets/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -max_len=4096 \
        -print_final_stats=1 -verbosity=1 -artifact_prefix="$folder/found/$name-"
    if [ -f "$dict" ]; then
        set -- "$@" -dict="$dict"
    fi
    if "$@" "$folder/corpus/$name" "spec/fuzz/corpus/$name" >"$folder/$name.log" 2>&1; then
        awk -v name="$name" '/DONE|cov:/ { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
            /number_of_executed_units/ { runs = $2 }
            END { printf "  %-12s %9d runs, %5d edges\n", name, runs, cov }' "$folder/$name.log"
        return 0
    fi
    grep -v '^#\|^INFO\|NEW_FUNC\|^stat' "$folder/$name.log" | tail -n 60
    input=$(sed -n 's/.*Test unit written to //p' "$folder/$name.log" | tail -n 1)
    echo "fuzz: $name failed"
    if [ -n "$input" ]; then
        echo "its input, $(wc -c <"$input") bytes:"
        od -An -v -tx1z "$input" | head -n 32
        echo "again:  make fuzz ONLY=$name INPUT=$input"
        echo "keep:   cp $input spec/fuzz/corpus/$name/what-it-shows  (make test T=spec/fuzz_spec.lua runs it)"
    fi
    return 1
}

failed=0
echo "fuzz: $# targets, $seconds s each"
while [ $# -gt 0 ]; do
    one "$1" &
    first=$!
    shift
    second=
    if [ $# -gt 0 ]; then
        one "$1" &
        second=$!
        shift
    fi
    wait "$first" || failed=1
    if [ -n "$second" ]; then
        wait "$second" || failed=1
    fi
done
[ $failed = 0 ] && echo 'fuzz: fine'
exit $failed
