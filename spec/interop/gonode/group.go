// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang/groupcache"
)

// group is a groupcache group together with the record of its getter's calls.
type group struct {
	*groupcache.Group

	mu    sync.Mutex
	loads map[string]int // key -> calls of the getter, failed ones included; guarded by mu
}

func newGroup(name string, cacheBytes int64) *group {
	g := &group{loads: map[string]int{}}
	g.Group = groupcache.NewGroup(name, cacheBytes, groupcache.GetterFunc(g.load))
	return g
}

// load counts before it does anything, so that a spec can wait for a load that has begun.
func (g *group) load(ctx context.Context, key string, dest groupcache.Sink) error {
	g.mu.Lock()
	g.loads[key]++
	g.mu.Unlock()

	value, err := valueOf(key)
	if err != nil {
		return err
	}
	return dest.SetBytes(value)
}

// hexLoads copies the record, with the keys in hexadecimal because JSON cannot hold their bytes.
func (g *group) hexLoads() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make(map[string]int, len(g.loads))
	for key, n := range g.loads {
		out[hex.EncodeToString([]byte(key))] = n
	}
	return out
}

// valueOf is the getter: a function of the key alone, which the Lua nodes of the specs repeat.
//
//	err:...       fails with "getter failed: " and the whole key
//	empty:...     the empty value
//	big:N         N bytes, "0123456789abcdef" over and over; also big:N:anything
//	slow:MS:...   "v:" and the key, after MS milliseconds (only the Go nodes wait)
//	anything else "v:" and the key
func valueOf(key string) ([]byte, error) {
	switch {
	case strings.HasPrefix(key, "err:"):
		return nil, fmt.Errorf("getter failed: %s", key)
	case strings.HasPrefix(key, "empty:"):
		return []byte{}, nil
	case strings.HasPrefix(key, "big:"):
		if n, err := strconv.Atoi(argument(key)); err == nil && n >= 0 {
			pattern := "0123456789abcdef"
			return []byte(strings.Repeat(pattern, n/len(pattern)+1)[:n]), nil
		}
	case strings.HasPrefix(key, "slow:"):
		if ms, err := strconv.Atoi(argument(key)); err == nil {
			time.Sleep(time.Duration(ms) * time.Millisecond)
		}
	}
	return []byte("v:" + key), nil
}

// argument is the part of "name:argument" or "name:argument:rest" in the middle.
func argument(key string) string {
	return strings.SplitN(key, ":", 3)[1]
}
