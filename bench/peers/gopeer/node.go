// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"strconv"
	"strings"

	"github.com/golang/groupcache"
)

// runNode never returns.
func runNode(fs *flag.FlagSet, args []string) {
	port := fs.Int("port", 0, "port on 127.0.0.1, for peers and clients")
	size := fs.Int("bytes", 100, "bytes of every value")
	peers := fs.String("peers", "", "URLs of the ring, comma separated")
	keys := fs.Int("keys", 0, "so many keys are there from the start")
	tuned := fs.Bool("tuned", false, "keep 256 idle connections per host instead of 2")
	fs.Parse(args)

	address := fmt.Sprintf("127.0.0.1:%d", *port)
	pool := groupcache.NewHTTPPool("http://" + address) // registers itself for /_groupcache/
	if *peers != "" {
		pool.Set(strings.Split(*peers, ",")...)
	}
	if *tuned {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 256
		transport.MaxIdleConns = 0 // else 100 in all
		pool.Transport = func(context.Context) http.RoundTripper { return transport }
	}
	cacheBytes := int64(64 << 20)
	if *keys > 0 {
		cacheBytes = 1 << 30 // as bench/nodes/constant.lua
	}
	group := constantGroup(*size, cacheBytes)
	for i := 0; i < *keys; i++ {
		var view groupcache.ByteView
		sink := groupcache.ByteViewSink(&view)
		if err := group.Get(context.Background(), keyOf(i), sink); err != nil {
			log.Fatal(err)
		}
	}

	const prefix = "/cache/bench/"
	http.HandleFunc(prefix, func(w http.ResponseWriter, r *http.Request) {
		var view groupcache.ByteView
		err := group.Get(r.Context(), r.URL.Path[len(prefix):], groupcache.ByteViewSink(&view))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(view.Len()))
		view.WriteTo(w)
	})
	log.Fatal(http.ListenAndServe(address, nil))
}
