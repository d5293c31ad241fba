// SPDX-License-Identifier: MIT

// Gonode is a real Go groupcache node for the interop specs: the pool, the group and the ring are
// golang/groupcache's own, only the getter and the control port are ours.
//
//	gonode node [-listen H:P] [-ctl H:P] [-self URL] [-peers URL,URL] [-groups NAME,NAME] ...
//	gonode ring -peers URL,URL [-replicas N] [-n N | -keys | -points] [-text]
//
// "node" serves peers on -listen and the specs on -ctl (see control.go). Ports may be 0. Once both
// ports are open it prints one line, "ready listen=H:P ctl=H:P self=URL". It runs until killed.
//
// "ring" prints who owns which key and needs no server (see ring.go).
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/golang/groupcache"
)

func main() {
	log.SetFlags(log.Lmicroseconds)
	log.SetPrefix("gonode: ")
	if len(os.Args) < 2 {
		usage()
	}
	switch os.Args[1] {
	case "node":
		runNode(os.Args[2:])
	case "ring":
		runRing(os.Args[2:])
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: gonode node|ring [flags]; gonode node -h, gonode ring -h")
	os.Exit(2)
}

// runNode never returns: it serves until the process is killed.
func runNode(args []string) {
	fs := flag.NewFlagSet("node", flag.ExitOnError)
	listen := fs.String("listen", "127.0.0.1:0", "address the peers ask")
	ctl := fs.String("ctl", "127.0.0.1:0", "address of the control port")
	self := fs.String("self", "", "this node's URL in the ring (default http://LISTEN)")
	peers := fs.String("peers", "", "URLs of the ring, comma separated (default: no ring, all local)")
	groups := fs.String("groups", "interop", "names of the groups, comma separated")
	cacheBytes := fs.Int64("cache-bytes", 64<<20, "cache of each group")
	replicas := fs.Int("replicas", 0, "points of a peer on the ring (default: groupcache's 50)")
	basePath := fs.String("base-path", "", "path prefix of the peers (default: groupcache's)")
	cert := fs.String("cert", "", "PEM file: speak TLS on -listen and to peers, with certificates of -ca only")
	key := fs.String("key", "", "PEM file of the key of -cert")
	ca := fs.String("ca", "", "PEM file of the CA")
	fs.Parse(args)

	peerListener := mustListen(*listen)
	ctlListener := mustListen(*ctl)
	if *self == "" {
		*self = "http://" + peerListener.Addr().String()
		if *cert != "" {
			*self = "https://" + peerListener.Addr().String()
		}
	}

	// The pool itself is the server's handler. Behind a ServeMux, as NewHTTPPool puts it, keys
	// with "//", "." or ".." would be redirected instead of served.
	pool := groupcache.NewHTTPPoolOpts(*self, &groupcache.HTTPPoolOptions{
		BasePath: *basePath,
		Replicas: *replicas,
	})
	n := &node{self: *self, replicas: *replicas, pool: pool, groups: map[string]*group{}}
	if *cert != "" {
		peerListener = withTLS(pool, peerListener, *cert, *key, *ca)
	}
	n.setPeers(splitList(*peers))
	for _, name := range splitList(*groups) {
		n.groups[name] = newGroup(name, *cacheBytes)
	}

	go func() { log.Fatal(http.Serve(peerListener, n.traces.of(pool))) }()
	go func() { log.Fatal(http.Serve(ctlListener, n.controlHandler())) }()
	fmt.Printf("ready listen=%s ctl=%s self=%s\n", peerListener.Addr(), ctlListener.Addr(), *self)

	select {}
}

func mustListen(addr string) net.Listener {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	return l
}

// splitList gives nil for "", unlike strings.Split.
func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
