// SPDX-License-Identifier: MIT

package main

import (
	"net/http"
	"sync"
)

const maxTraces = 1000

// traces keeps what peers say of the trace that their requests belong to, of the first maxTraces requests
// that say so.
type traces struct {
	mu   sync.Mutex
	seen []trace // guarded by mu
}

type trace struct {
	Path        string   `json:"path"`
	Traceparent []string `json:"traceparent"`
	Tracestate  []string `json:"tracestate"`
}

// of records requests and passes them to next.
func (t *traces) of(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if parents := r.Header["Traceparent"]; parents != nil {
			t.mu.Lock()
			if len(t.seen) < maxTraces {
				t.seen = append(t.seen, trace{r.URL.Path, parents, r.Header["Tracestate"]})
			}
			t.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// list gives all that was recorded, never nil.
func (t *traces) list() []trace {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]trace{}, t.seen...)
}
