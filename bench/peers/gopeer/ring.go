// SPDX-License-Identifier: MIT

package main

import (
	"flag"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/golang/groupcache"
	"github.com/golang/groupcache/consistenthash"
)

const ringKeys = 1 << 16 // as in bench/inside/engine.c

func someKeys() []string {
	keys := make([]string, ringKeys)
	for i := range keys {
		keys[i] = keyOf(i)
	}
	return keys
}

// runRing prints the time of one look-up in a ring with groupcache's 50 replicas.
func runRing(fs *flag.FlagSet, args []string) {
	peers := fs.Int("peers", 1000, "on the ring")
	seconds := fs.Float64("seconds", 1, "how long")
	fs.Parse(args)

	ring := consistenthash.New(50, nil)
	ring.Add(peerURLs(*peers)...)
	keys := someKeys()
	begin, ops := time.Now(), 0
	for time.Since(begin).Seconds() < *seconds {
		for i := 0; i < batch; i++ {
			ring.Get(keys[(ops+i)%ringKeys])
		}
		ops += batch
	}
	fmt.Printf("bench ns=%.1f\n", float64(time.Since(begin).Nanoseconds())/float64(ops))
}

// runSet prints the time of one HTTPPool.Set, and how many PickPeers of a reader took half of that or
// longer while lists were set one after the other, for each Set.
func runSet(fs *flag.FlagSet, args []string) {
	peers := fs.Int("peers", 1000, "in the list")
	seconds := fs.Float64("seconds", 1, "how long")
	fs.Parse(args)

	urls := peerURLs(*peers + 1)
	lists := [2][]string{urls[:*peers], urls[1:]} // one peer goes, another comes
	pool := groupcache.NewHTTPPoolOpts(urls[1], nil)
	setFor := func(seconds float64) int {
		begin, n := time.Now(), 0
		for n == 0 || time.Since(begin).Seconds() < seconds {
			pool.Set(lists[n%2]...)
			n++
		}
		return n
	}
	begin := time.Now()
	sets := setFor(*seconds / 2)
	alone := time.Since(begin) / time.Duration(sets)

	keys := someKeys()
	var stop int32
	waited := make(chan int)
	go func() {
		n := 0
		for i := 0; atomic.LoadInt32(&stop) == 0; i++ {
			begin := time.Now()
			pool.PickPeer(keys[i%ringKeys])
			if time.Since(begin) >= alone/2 {
				n++
			}
		}
		waited <- n
	}()
	sets = setFor(*seconds / 2)
	atomic.StoreInt32(&stop, 1)
	fmt.Printf("bench ms=%.4f waited=%.4f\n", alone.Seconds()*1000, float64(<-waited)/float64(sets))
}
