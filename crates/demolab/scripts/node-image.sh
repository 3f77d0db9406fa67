#!/bin/bash
# The root tree of a node as a tar, the kernel, and the base of the installer's initrd, by mmdebstrap.
# env: OUT folder, SOURCES apt list, SUITE, PACKAGES comma separated, PREPARE script that is run on the finished tree
set -euo pipefail
export SOURCE_DATE_EPOCH=1735689600 LC_ALL=C.UTF-8 OUT
# Debian's own initrd, half a minute's work, would be thrown away: node-prepare.sh writes a small one.
export INITRD=No
proxy=$OUT/proxy.conf
apt-config dump | grep -E '^Acquire::https?::Proxy ' > "$proxy" || true
echo "mmdebstrap $SUITE"
# shellcheck disable=SC2016 # the hooks expand $1 themselves
mmdebstrap --verbose --mode=root --variant=minbase --format=tar \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='force-unsafe-io' --dpkgopt='path-exclude=/usr/share/i18n/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --aptopt="$proxy" \
  --include="$PACKAGES" \
  --essential-hook='mkdir -p "$1/etc/kernel"; printf "do_symlinks = no\n" > "$1/etc/kernel-img.conf"' \
  --customize-hook="bash $PREPARE \"\$1\"" \
  "$SUITE" "$OUT/rootfs.tar" "$SOURCES"
rm -f "$proxy"
ls -l "$OUT"
