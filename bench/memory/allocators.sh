#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The table of allocators in docs/design/memory.md: bench/memory/allocators.sh [name=value ...], after
# `make testlib`; the arguments go to the program. jemalloc and mimalloc (libjemalloc2, libmimalloc2.0) are preloaded,
# and left out when they are not installed.
set -eu

memory=${BUILD:-build}/bench/memory

library() {
    ldconfig -p | sed -n "s|.*$1[^ ]* .* => ||p" | head -n 1
}

row() { # name, value of each column asked for, from the one line of bench/memory
    name=$1
    shift
    printf '%-34s' "$name"
    for mix in small medium mixed turns; do
        env "$@" "$memory" churn mix=$mix $arguments | tr ' ' '\n' | awk -F= '
            $1 == "max_per_cache_byte" { max = $2 } $1 == "items" { items = $2 }
            $1 == "cpu_ns_per_load" { ns = $2 } END { printf "  %5.2f %7d %6d", max, items, ns }'
    done
    env "$@" "$memory" fill | sed 's/.*rss_each=\([0-9.]*\).*/  \1/'
}

arguments=$*
printf 'for each of small, medium, mixed, turns: peak / cache_bytes, items, ns per load; then bytes an item\n'
row 'glibc, an arena a thread' MALLOC_ARENA_MAX=64
row 'glibc, one arena' MALLOC_ARENA_MAX=1
row 'glibc, one arena, mmap from 32 KB' MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=32768
je=$(library libjemalloc)
if [ -n "$je" ]; then
    row 'jemalloc' LD_PRELOAD="$je"
    row 'jemalloc, one arena, no caches' LD_PRELOAD="$je" MALLOC_CONF=narenas:1,tcache:false
    row 'jemalloc, the same, no decay' LD_PRELOAD="$je" \
        MALLOC_CONF=narenas:1,tcache:false,dirty_decay_ms:0,muzzy_decay_ms:0
fi
mi=$(library libmimalloc)
if [ -n "$mi" ]; then
    row 'mimalloc' LD_PRELOAD="$mi"
    row 'mimalloc, no decommit delay' LD_PRELOAD="$mi" MIMALLOC_DECOMMIT_DELAY=0 \
        MIMALLOC_PAGE_RESET=1 MIMALLOC_RESET_DELAY=0 MIMALLOC_EAGER_COMMIT=0
fi
