#!/bin/bash
# Builds the installer program, static. The YAML library comes from the vendored tree of Kubernetes.
# env: OUT folder (the program's sources in OUT/src), SOURCE a GOPATH with k8s.io/kubernetes, GOCACHE
set -euo pipefail
export GOPATH=$OUT/gopath GO111MODULE=off GOTOOLCHAIN=local GOFLAGS='' CGO_ENABLED=0 GOCACHE
export PATH=/usr/lib/go-1.19/bin:$PATH
vendor=$SOURCE/src/k8s.io/kubernetes/vendor
mkdir -p "$GOPATH/src/sigs.k8s.io" "$GOPATH/src/gopkg.in"
cp -r "$vendor/sigs.k8s.io/yaml" "$GOPATH/src/sigs.k8s.io/"
cp -r "$vendor/gopkg.in/yaml.v2" "$GOPATH/src/gopkg.in/"
cp -r "$OUT/src" "$GOPATH/src/installer"
go build -v -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -o "$OUT/installer" installer
rm -rf "$GOPATH" "$OUT/src"
