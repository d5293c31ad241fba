// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/golang/groupcache"
)

const (
	batch    = 1024    // gets between two looks at the clock
	asks     = 1 << 21 // as in bench/inside/asks.lua
	exponent = 0.99
)

// valueOf has 100 bytes that no other key has.
func valueOf(key string) string {
	return key + strings.Repeat("x", 100-len(key))
}

// orderOf draws keys, each by itself, by the laws of bench/inside/asks.lua.
func orderOf(keys []string, law string) []string {
	n := len(keys)
	random := rand.New(rand.NewSource(1))
	sums, sum := make([]float64, n), 0.0
	for i := range sums {
		weight := 1.0
		if law == "zipf" {
			weight = math.Pow(float64(i+1), -exponent)
		}
		sum += weight
		sums[i] = sum
	}
	at := random.Perm(n) // frequent keys are not neighbours in memory
	order := make([]string, asks)
	for i := range order {
		u := random.Float64() * sum
		place := sort.Search(n-1, func(i int) bool { return sums[i] > u })
		order[i] = keys[at[place]]
	}
	return order
}

// runHit prints the time that a hit takes a thread, each giving a string.
func runHit(fs *flag.FlagSet, args []string) {
	seconds := fs.Float64("seconds", 1, "how long")
	threads := fs.Int("threads", 1, "how many at once, on as many cores")
	count := fs.Int("keys", 512, "how many keys there are")
	law := fs.String("law", "uniform", "how they are drawn: uniform or zipf")
	fs.Parse(args)

	runtime.GOMAXPROCS(*threads)
	group := groupcache.NewGroup("bench", 2<<30, groupcache.GetterFunc(
		func(_ context.Context, key string, dest groupcache.Sink) error {
			return dest.SetString(valueOf(key))
		}))
	keys := make([]string, *count)
	for i := range keys {
		keys[i] = keyOf(i)
		mustGet(group, keys[i])
	}
	order := orderOf(keys, *law)
	runtime.GC()
	ns, cpus := make([]float64, *threads), make([]float64, *threads)
	var all sync.WaitGroup
	for t := 0; t < *threads; t++ {
		all.Add(1)
		go func(t int) {
			defer all.Done()
			at, ops := t*asks / *threads, 0
			for ; ops < asks/4; ops++ { // what is asked for often is at the front then
				mustGet(group, order[(at+ops)%asks])
			}
			at, ops = at+ops, 0
			begin, cpu := time.Now(), cpuTime()
			for time.Since(begin).Seconds() < *seconds {
				for i := 0; i < batch; i++ {
					mustGet(group, order[(at+i)%asks])
				}
				at += batch
				ops += batch
			}
			ns[t] = float64(time.Since(begin).Nanoseconds()) / float64(ops)
			cpus[t] = float64(cpuTime()-cpu) / float64(ops)
		}(t)
	}
	all.Wait()
	sum, cpu := 0.0, 0.0
	for t := range ns {
		sum += ns[t]
		cpu += cpus[t] / float64(*threads) // each saw the time of all
	}
	fmt.Printf("bench ns=%.1f cpu=%.1f\n", sum/float64(*threads), cpu/float64(*threads))
}

// cpuTime is the processor time of the process so far, in ns.
func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
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
