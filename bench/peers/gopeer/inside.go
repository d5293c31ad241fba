// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/golang/groupcache"
)

const (
	hitKeys = 512  // as in bench/inside/hit.lua
	batch   = 1024 // gets between two looks at the clock
)

// runHit prints the time that a hit takes a thread: each asks all keys in turn, as strings.
func runHit(fs *flag.FlagSet, args []string) {
	seconds := fs.Float64("seconds", 1, "how long")
	threads := fs.Int("threads", 1, "how many at once, on as many cores")
	fs.Parse(args)

	runtime.GOMAXPROCS(*threads)
	group := constantGroup(100, 64<<20)
	keys := make([]string, hitKeys)
	for i := range keys {
		keys[i] = keyOf(i)
		mustGet(group, keys[i])
	}
	ns := make([]float64, *threads)
	var all sync.WaitGroup
	for t := 0; t < *threads; t++ {
		all.Add(1)
		go func(t int) {
			defer all.Done()
			begin, ops := time.Now(), 0
			for time.Since(begin).Seconds() < *seconds {
				for i := 0; i < batch; i++ {
					mustGet(group, keys[(ops+i)%hitKeys])
				}
				ops += batch
			}
			ns[t] = float64(time.Since(begin).Nanoseconds()) / float64(ops)
		}(t)
	}
	all.Wait()
	sum := 0.0
	for _, n := range ns {
		sum += n
	}
	fmt.Printf("bench ns=%.1f\n", sum/float64(*threads))
}

func mustGet(group *groupcache.Group, key string) {
	var value string
	if err := group.Get(context.Background(), key, groupcache.StringSink(&value)); err != nil {
		log.Fatal(err)
	}
	if len(value) != 100 {
		log.Fatalf("%d bytes", len(value))
	}
}

// runMemory prints the bytes that an entry takes beyond its key and its value: as the program runs,
// and once its heap was collected and what was free given back.
func runMemory(fs *flag.FlagSet, args []string) {
	entries := fs.Int("entries", 1000000, "how many")
	fs.Parse(args)

	group := constantGroup(100, 1<<40)
	const first = 10000 // so that what only the first entries need is not counted
	for i := 0; i < first; i++ {
		mustGet(group, keyOf(i))
	}
	debug.FreeOSMemory() // collects first
	before := resident()
	for i := first; i < first+*entries; i++ {
		mustGet(group, keyOf(i))
	}
	perEntry := func() float64 { return float64(resident()-before)/float64(*entries) - 112 }
	running := perEntry()
	debug.FreeOSMemory()
	fmt.Printf("bench bytes=%.1f collected=%.1f\n", running, perEntry())
	mustGet(group, keyOf(0)) // it is alive until here
}

func resident() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		log.Fatal(err)
	}
	var kb int64
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "VmRSS:") {
			fmt.Sscanf(line, "VmRSS: %d kB", &kb)
		}
	}
	return kb << 10
}
