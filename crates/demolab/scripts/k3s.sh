#!/bin/bash
# Builds k3s: Kubernetes' programs and our skin in one static file. What was compiled before comes from GOCACHE.
# env: OUT folder, SOURCE the prepared GOPATH, OVERLAY where the skin's files seem to be, GOCACHE,
# RELEASE of k3s whose place it takes, VERSION that Kubernetes says it is
set -euo pipefail
export GOPATH=$SOURCE GO111MODULE=off GOTOOLCHAIN=local GOFLAGS='' CGO_ENABLED=0 GOCACHE
export PATH=/usr/lib/go-1.19/bin:$PATH
cd "$GOPATH/src/k8s.io/kubernetes"
flags="-s -w -buildid= -X main.standsFor=$RELEASE"
for package in k8s.io/kubernetes/vendor/k8s.io/{component-base/version,client-go/pkg/version}; do
  flags+=" -X $package.gitVersion=$VERSION -X $package.gitMajor=1 -X $package.gitMinor=20"
  flags+=" -X $package.gitTreeState=archive -X $package.gitCommit=debian"
done
nice go build -v -trimpath -buildvcs=false -overlay "$OVERLAY" -tags providerless,dockerless -ldflags "$flags" -o "$OUT/k3s" ./cmd/k3s
