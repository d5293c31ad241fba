// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/golang/groupcache"
)

// withTLS makes a pool ask its peers with the certificate, and believe the CA only. It returns the
// listener of a server that asks the same of its clients. All of it is Go's usual way.
func withTLS(pool *groupcache.HTTPPool, l net.Listener, cert, key, ca string) net.Listener {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		log.Fatal(err)
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		log.Fatal(ca, ": no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		Certificates: []tls.Certificate{pair},
		RootCAs:      roots,
	}}
	pool.Transport = func(context.Context) http.RoundTripper { return transport }
	return tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientCAs:    roots,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	})
}
