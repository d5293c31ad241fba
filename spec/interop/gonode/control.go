// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/golang/groupcache"
	"github.com/golang/groupcache/consistenthash"
)

// node is what the control port works on.
type node struct {
	self     string
	replicas int
	pool     *groupcache.HTTPPool
	groups   map[string]*group // set once before the ports open
	traces   traces

	mu   sync.Mutex
	ring *consistenthash.Map // the pool keeps its ring to itself, this is its twin; guarded by mu
}

func (n *node) setPeers(peers []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pool.Set(peers...)
	n.ring = newRing(peers, n.replicas, nil)
}

// controlHandler serves the specs. Keys are hexadecimal everywhere; group defaults to "interop".
//
//	GET  /ctl/get?group=&key=[&timeout_ms=]  the value as the group's own user gets it; 500 and
//	                                         the bare text of the error; 404 for no such group
//	GET  /ctl/loads?group=                   {"<hex key>": calls of the getter on this node}
//	GET  /ctl/owner?key=                     the owner's URL, empty without a ring
//	POST /ctl/peers                          {"peers": []}: replaces the ring
//	POST /ctl/ring                           {"peers": [], "replicas": N, "count": N} or
//	                                         {..., "keys": [hex]}: one byte per key, see owners
//	GET  /ctl/traces                         [{"path": "", "traceparent": [], "tracestate": []}], of
//	                                         the requests of peers that have one, the oldest first
//	GET  /ctl/stats?group=                   {"group": {}, "main": {}, "hot": {}}
func (n *node) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ctl/get", n.serveGet)
	mux.HandleFunc("/ctl/loads", n.serveLoads)
	mux.HandleFunc("/ctl/owner", n.serveOwner)
	mux.HandleFunc("/ctl/peers", n.servePeers)
	mux.HandleFunc("/ctl/ring", serveRing)
	mux.HandleFunc("/ctl/stats", n.serveStats)
	mux.HandleFunc("/ctl/traces", func(w http.ResponseWriter, r *http.Request) {
		replyJSON(w, n.traces.list())
	})
	return mux
}

func (n *node) serveGet(w http.ResponseWriter, r *http.Request) {
	key, ok := keyOf(w, r)
	if !ok {
		return
	}
	g, ok := n.groupOf(w, r)
	if !ok {
		return
	}
	ctx := r.Context()
	if ms, err := strconv.Atoi(r.FormValue("timeout_ms")); err == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
		defer cancel()
	}
	var value []byte
	if err := g.Get(ctx, key, groupcache.AllocatingByteSliceSink(&value)); err != nil {
		reply(w, http.StatusInternalServerError, "text/plain", []byte(err.Error()))
		return
	}
	reply(w, http.StatusOK, "application/octet-stream", value)
}

func (n *node) serveLoads(w http.ResponseWriter, r *http.Request) {
	if g, ok := n.groupOf(w, r); ok {
		replyJSON(w, g.hexLoads())
	}
}

func (n *node) serveOwner(w http.ResponseWriter, r *http.Request) {
	key, ok := keyOf(w, r)
	if !ok {
		return
	}
	n.mu.Lock()
	owner := n.ring.Get(key)
	n.mu.Unlock()
	reply(w, http.StatusOK, "text/plain", []byte(owner))
}

func (n *node) servePeers(w http.ResponseWriter, r *http.Request) {
	var in struct{ Peers []string }
	if !readJSON(w, r, &in) {
		return
	}
	n.setPeers(in.Peers)
	replyJSON(w, in.Peers)
}

func serveRing(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Peers    []string
		Replicas int
		Count    int
		Keys     []string
	}
	if !readJSON(w, r, &in) {
		return
	}
	keys, err := decodeKeys(in.Keys)
	if err == nil && in.Keys == nil {
		keys = countedKeys(in.Count)
	}
	var indexes []byte
	if err == nil {
		indexes, err = owners(in.Peers, in.Replicas, nil, keys)
	}
	if err != nil {
		replyBad(w, err)
		return
	}
	reply(w, http.StatusOK, "application/octet-stream", indexes)
}

func (n *node) serveStats(w http.ResponseWriter, r *http.Request) {
	if g, ok := n.groupOf(w, r); ok {
		replyJSON(w, map[string]interface{}{
			"group": &g.Stats,
			"main":  g.CacheStats(groupcache.MainCache),
			"hot":   g.CacheStats(groupcache.HotCache),
		})
	}
}

// keyOf and groupOf answer the request themselves when they return false.
func keyOf(w http.ResponseWriter, r *http.Request) (string, bool) {
	if _, given := r.URL.Query()["key"]; !given {
		replyBad(w, errors.New("no key"))
		return "", false
	}
	key, err := hex.DecodeString(r.FormValue("key"))
	if err != nil {
		replyBad(w, err)
		return "", false
	}
	return string(key), true
}

func (n *node) groupOf(w http.ResponseWriter, r *http.Request) (*group, bool) {
	name := r.FormValue("group")
	if name == "" {
		name = "interop"
	}
	g := n.groups[name]
	if g == nil {
		reply(w, http.StatusNotFound, "text/plain", []byte("no such group: "+name))
	}
	return g, g != nil
}

func readJSON(w http.ResponseWriter, r *http.Request, into interface{}) bool {
	err := json.NewDecoder(r.Body).Decode(into)
	if err != nil {
		replyBad(w, err)
	}
	return err == nil
}

func replyBad(w http.ResponseWriter, err error) {
	reply(w, http.StatusBadRequest, "text/plain", []byte(err.Error()))
}

func replyJSON(w http.ResponseWriter, v interface{}) {
	body, err := json.Marshal(v)
	if err != nil {
		reply(w, http.StatusInternalServerError, "text/plain", []byte(err.Error()))
		return
	}
	reply(w, http.StatusOK, "application/json", body)
}

// reply always states the length: the specs' small clients need not know chunks.
func reply(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}
