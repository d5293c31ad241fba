#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build.sh OUTDIR [FOLDER] - builds a Go program on the real groupcache into OUTDIR: that of FOLDER,
# under the folder's name. Without one: gonode, the node of the interop specs.
#
# Nothing is downloaded: the Go packages are the distribution's own (on Debian and Ubuntu
# golang-go and golang-github-golang-groupcache-dev, which live in /usr/share/gocode). Go's build
# cache stays in OUTDIR too, so the home folder is left alone.
set -eu

if [ $# -ne 1 ] && [ $# -ne 2 ]; then
    echo "usage: sh spec/interop/build.sh OUTDIR [FOLDER]" >&2
    exit 2
fi

gocode=${GOCODE:-/usr/share/gocode}
if ! command -v go >/dev/null 2>&1 || [ ! -d "$gocode/src/github.com/golang/groupcache" ]; then
    echo "build.sh: this needs Go and groupcache itself:" >&2
    echo "  apt-get install golang-go golang-github-golang-groupcache-dev" >&2
    exit 1
fi

mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "${2:-$(dirname "$0")/gonode}"

# GO111MODULE=off: Debian ships sources in a GOPATH, not as modules. CGO_ENABLED=0: one static
# binary, no C compiler involved. GOFLAGS, GOENV: nobody's private settings.
GO111MODULE=off GOPATH="$gocode" GOCACHE="$out/gocache" GOENV=off GOFLAGS= GOTOOLCHAIN=local \
    CGO_ENABLED=0 go build -o "$out/$(basename "$PWD")" .
