// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"hash/fnv"
	"log"
	"os"
	"strconv"

	"github.com/golang/groupcache/consistenthash"
)

const defaultReplicas = 50 // groupcache's own; its constant is private

// hashes are what a user may give as HashFn; nil is groupcache's own, crc32.
var hashes = map[string]consistenthash.Hash{
	"crc32": nil,
	"fnv1-32": func(data []byte) uint32 {
		h := fnv.New32()
		h.Write(data)
		return h.Sum32()
	},
	"fnv1a-32": func(data []byte) uint32 {
		h := fnv.New32a()
		h.Write(data)
		return h.Sum32()
	},
}

// newRing builds the ring exactly as HTTPPool.Set does. replicas 0 is groupcache's default.
func newRing(peers []string, replicas int, hash consistenthash.Hash) *consistenthash.Map {
	if replicas == 0 {
		replicas = defaultReplicas
	}
	ring := consistenthash.New(replicas, hash)
	ring.Add(peers...)
	return ring
}

// owners answers each key with one byte: the index of its owner in peers. A peer listed twice
// answers with its first index, since a ring knows names only.
func owners(peers []string, replicas int, hash consistenthash.Hash, keys []string) ([]byte, error) {
	if len(peers) == 0 || len(peers) > 256 {
		return nil, fmt.Errorf("1 to 256 peers, not %d", len(peers))
	}
	index := make(map[string]byte, len(peers))
	for i := len(peers) - 1; i >= 0; i-- {
		index[peers[i]] = byte(i)
	}
	ring := newRing(peers, replicas, hash)
	out := make([]byte, len(keys))
	for i, key := range keys {
		out[i] = index[ring.Get(key)]
	}
	return out, nil
}

// countedKeys is key0, key1 and so on.
func countedKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = "key" + strconv.Itoa(i)
	}
	return keys
}

// pointKeys is what the ring hashes to place the peers, "<i><peer>". As keys they fall exactly on the
// points, those that two peers share included.
func pointKeys(peers []string, replicas int) []string {
	var keys []string
	for _, peer := range peers {
		for i := 0; i < replicas; i++ {
			keys = append(keys, strconv.Itoa(i)+peer)
		}
	}
	return keys
}

func decodeKeys(hexKeys []string) ([]string, error) {
	keys := make([]string, len(hexKeys))
	for i, h := range hexKeys {
		b, err := hex.DecodeString(h)
		if err != nil {
			return nil, err
		}
		keys[i] = string(b)
	}
	return keys, nil
}

// runRing writes one byte per key (see owners), or with -text one line per key: the key in
// hexadecimal, a space, its owner.
func runRing(args []string) {
	fs := flag.NewFlagSet("ring", flag.ExitOnError)
	peerList := fs.String("peers", "", "URLs of the ring, comma separated")
	replicas := fs.Int("replicas", defaultReplicas, "points of a peer on the ring")
	hashName := fs.String("hash", "crc32", "crc32, fnv1-32 or fnv1a-32")
	n := fs.Int("n", 100000, "ask for key0 to key(N-1)")
	fromStdin := fs.Bool("keys", false, "ask for the keys on standard input, one a line, in hexadecimal")
	points := fs.Bool("points", false, "ask for the ring's own points, peer by peer")
	text := fs.Bool("text", false, "lines for people instead of one byte per key")
	fs.Parse(args)

	hash, known := hashes[*hashName]
	if !known {
		log.Fatalf("no hash %q", *hashName)
	}
	peers := splitList(*peerList)
	var keys []string
	switch {
	case *points:
		keys = pointKeys(peers, *replicas)
	case !*fromStdin:
		keys = countedKeys(*n)
	default:
		var lines []string
		in := bufio.NewScanner(os.Stdin)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			lines = append(lines, in.Text())
		}
		var err error
		if err = in.Err(); err == nil {
			keys, err = decodeKeys(lines)
		}
		if err != nil {
			log.Fatal(err)
		}
	}

	indexes, err := owners(peers, *replicas, hash, keys)
	if err != nil {
		log.Fatal(err)
	}
	out := bufio.NewWriter(os.Stdout)
	if *text {
		for i, key := range keys {
			fmt.Fprintf(out, "%x %s\n", key, peers[indexes[i]])
		}
	} else {
		out.Write(indexes)
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
