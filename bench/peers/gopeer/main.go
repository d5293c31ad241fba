// SPDX-License-Identifier: MIT

// Gopeer is golang/groupcache for the benchmark: pool, group and ring are its own, what is around
// them is what its README shows.
//
//	gopeer node -port N -bytes N [-peers URL,URL] [-tuned]   serves peers and clients until killed
//	gopeer hit -seconds N [-threads N] [-keys N] [-law LAW]  hits of a group in the process
//	gopeer memory -entries N                                 what an entry costs
//	gopeer ring -peers N -seconds N                          look-ups in a ring
//	gopeer set -peers N -seconds N                           a new list of peers, readers meanwhile
//
// All but node print one line of figures, "bench name=number ...".
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/golang/groupcache"
)

var commands = map[string]func(*flag.FlagSet, []string){
	"node":   runNode,
	"hit":    runHit,
	"memory": runMemory,
	"ring":   runRing,
	"set":    runSet,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: gopeer node|hit|memory|ring|set [flags]")
		os.Exit(2)
	}
	commands[os.Args[1]](flag.NewFlagSet(os.Args[1], flag.ExitOnError), os.Args[2:])
}

// constantGroup is the group "bench": every key has the same value of n bytes.
func constantGroup(n int, cacheBytes int64) *groupcache.Group {
	value := strings.Repeat("x", n)
	return groupcache.NewGroup("bench", cacheBytes, groupcache.GetterFunc(
		func(_ context.Context, _ string, dest groupcache.Sink) error {
			return dest.SetString(value)
		}))
}

// keyOf is the 12-byte key of that number, as everywhere in the benchmark.
func keyOf(i int) string {
	return fmt.Sprintf("k%011d", i)
}

func peerURLs(n int) []string {
	urls := make([]string, n)
	for i := range urls {
		urls[i] = fmt.Sprintf("http://10.0.%d.%d:8080", i/250, i%250+1)
	}
	return urls
}
