#!/bin/bash
# Builds the stand-in for KubeSphere's programs, static. bcrypt comes from the vendored tree of Kubernetes.
# env: OUT folder (the program's sources in OUT/src), SOURCE a GOPATH with k8s.io/kubernetes, GOCACHE
set -euo pipefail
export GOPATH=$OUT/gopath GO111MODULE=off GOTOOLCHAIN=local GOFLAGS='' CGO_ENABLED=0 GOCACHE
export PATH=/usr/lib/go-1.19/bin:$PATH
crypto=$GOPATH/src/golang.org/x/crypto
mkdir -p "$crypto"
cp -r "$SOURCE"/src/k8s.io/kubernetes/vendor/golang.org/x/crypto/{bcrypt,blowfish} "$crypto/"
cp -r "$OUT/src" "$GOPATH/src/ks-stand-in"
nice go build -v -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -o "$OUT/ks-stand-in" ks-stand-in
rm -rf "$GOPATH" "$OUT/src"
