#!/bin/bash
# Downloads Debian's source package of Kubernetes (everything vendored) and unpacks it as a GOPATH.
# env: OUT folder, SOURCES apt list (deb-src), FILE the orig tarball's name, SHA256 its digest
set -euo pipefail
mkdir -p "$OUT"/apt/{lists/partial,parts,archives/partial} "$OUT/download"
apt=(-q -o "Dir::Etc::sourcelist=$SOURCES" -o "Dir::Etc::sourceparts=$OUT/apt/parts" -o "Dir::State::lists=$OUT/apt/lists"
  -o "Dir::Cache=$OUT/apt" -o APT::Sandbox::User=root)
apt-get "${apt[@]}" update
(cd "$OUT/download" && apt-get "${apt[@]}" source --download-only kubernetes)
echo "$SHA256  $OUT/download/$FILE" | sha256sum -c - || { echo "$FILE is not the pinned one: $(sha256sum < "$OUT/download/$FILE")"; exit 1; }
tree=$OUT/gopath/src/k8s.io/kubernetes; mkdir -p "$tree"
tar -xzf "$OUT/download/$FILE" -C "$tree" --strip-components=1 --no-same-owner
rm -rf "$OUT/apt"
