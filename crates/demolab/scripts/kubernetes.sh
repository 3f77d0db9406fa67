#!/bin/bash
# Prepares the tree our k3s is built in: the one generated file that the archive lacks, and two repairs.
# env: OUT folder, SOURCE a GOPATH with k8s.io/kubernetes, GOCACHE
set -euo pipefail
export GOPATH=$OUT/gopath GO111MODULE=off GOTOOLCHAIN=local GOFLAGS='' CGO_ENABLED=0 GOCACHE
export PATH=/usr/lib/go-1.19/bin:$PATH
mkdir -p "$GOPATH/src/k8s.io"
cp -a --reflink=auto "$SOURCE/src/k8s.io/kubernetes" "$GOPATH/src/k8s.io/"
cd "$GOPATH/src/k8s.io/kubernetes"

# This reflect2 knows Go up to 1.17: since then the runtime fills in an iterator that its caller brings. Unrepaired, every
# map that is written as JSON (labels!) damages memory.
(
  cd vendor/github.com/modern-go/reflect2
  sed -i -e 's/^func mapiterinit(rtype unsafe.Pointer, m unsafe.Pointer) \*hiter$/func mapiterinit(rtype unsafe.Pointer, m unsafe.Pointer, it *hiter)/' \
    -e 's,^\t// rest fields are ignored$,\tlinks [6]unsafe.Pointer\n\trest  [4]uintptr,' unsafe_link.go
  sed -i -e 's/^\treturn &UnsafeMapIterator{$/\tit := new(hiter)\n\tmapiterinit(type2.rtype, *(*unsafe.Pointer)(obj), it)\n&/' \
    -e 's/^\t\thiter:      mapiterinit(.*$/\t\thiter:      it,/' unsafe_map.go
  grep -q 'it \*hiter)$' unsafe_link.go && grep -q 'links \[6\]' unsafe_link.go && grep -q 'hiter:      it,' unsafe_map.go
) || { echo "reflect2 is not the expected one"; exit 1; }

# Addresses for pods are handed out ten seconds after the start, for no reason but that a poll waits before it looks.
allocator=pkg/controller/nodeipam/ipam/cidr_allocator.go
sed -i 's/wait\.Poll(10\*time\.Second, apiserverStartupGracePeriod/wait.PollImmediate(10*time.Second, apiserverStartupGracePeriod/' "$allocator"
grep -q 'wait.PollImmediate(10\*time' "$allocator" || { echo "the address allocator is not the expected one"; exit 1; }

echo "generating OpenAPI definitions"
nice go build -v -trimpath -o "$OUT/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
dirs=$(grep -rl '+k8s:openapi-gen=' --include='*.go' pkg \
  staging/src/k8s.io/{api,apimachinery,apiserver,apiextensions-apiserver,kube-aggregator,component-base,client-go,metrics} \
  | xargs -n1 dirname | LC_ALL=C sort -u | grep -vE '/test|_test|testing|sample|code-generator' \
  | sed -e 's#^staging/src/k8s.io/#k8s.io/kubernetes/vendor/k8s.io/#; t; s#^#k8s.io/kubernetes/#' | paste -sd,)
nice "$OUT/openapi-gen" --logtostderr --go-header-file vendor/k8s.io/code-generator/hack/boilerplate.go.txt \
  --output-file-base zz_generated.openapi --output-package k8s.io/kubernetes/pkg/generated/openapi \
  --input-dirs "$dirs" --report-filename "$OUT/violations" > /dev/null
rm "$OUT/openapi-gen" "$OUT/violations"
