#!/bin/bash
# The floor of `cargo xtask bench start`: the same three disks written and started as bare containers, Kubernetes by a
# plain script. No installer, no seed, no registry, no checks: what is left is what any way of doing it must take.
# Needs root. Reads from the environment:
#   ROOTFS  the node image, a tar          K3S     the Kubernetes program, started under its components' names
#   IMAGES  image archives, space between  NODE    the script that runs inside a node
#   WORK    an empty folder for everything
# Prints one line per phase; the seconds until three nodes are Ready go to WORK/seconds.
set -euo pipefail
: "${ROOTFS:?}" "${K3S:?}" "${IMAGES:?}" "${NODE:?}" "${WORK:?}"
nodes=(master worker1 worker2)
ns=floor-$$
start=$(date +%s%N)
seconds() { awk -v ns="$(($(date +%s%N) - start))" 'BEGIN { printf "%.1f", ns / 1e9 }'; }
say() { echo "[$(seconds)] $*" >&2; }

take_down() {
  set +e
  local n c pid pids
  for n in "${nodes[@]}"; do
    for _ in $(seq 40); do
      pids=$(find /sys/fs/cgroup -path "*/$ns-$n*" -name cgroup.procs -exec cat {} + 2> /dev/null | sort -u)
      [ -z "$pids" ] && break
      for pid in $pids; do kill -KILL "$pid" 2> /dev/null; done
      sleep 0.1
    done
    umount --lazy "$WORK/$n/root"
    while read -r c; do find "$c" -depth -type d -exec rmdir {} \; 2> /dev/null; done \
      < <(find /sys/fs/cgroup -maxdepth 2 -name "$ns-$n")
    ip netns delete "$ns-$n"
  done 2> /dev/null
  ip netns delete "$ns"
}
trap take_down EXIT

certificates() { # one CA, and for every identity a leaf with a kubeconfig
  mkdir -p "$WORK/pki" && cd "$WORK/pki"
  key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
  leaf() { # name subject [alternative names]
    key "$1"
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out "$1.crt" \
      -extfile <(echo extendedKeyUsage=clientAuth,serverAuth; [ -z "${3:-}" ] || echo "subjectAltName=$3") 2> /dev/null
    cat > "$1.kubeconfig" << K
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://192.168.6.10:6443", certificate-authority: /opt/floor/pki/ca.crt}}]
users: [{name: u, user: {client-certificate: /opt/floor/pki/$1.crt, client-key: /opt/floor/pki/$1.key}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
K
  }
  key ca
  openssl req -x509 -new -key ca.key -subj /CN=floor -days 30 -out ca.crt
  leaf apiserver /CN=kube-apiserver IP:192.168.6.10,IP:127.0.0.1,IP:10.43.0.1,DNS:kubernetes
  leaf admin /O=system:masters/CN=admin
  leaf manager /CN=system:kube-controller-manager
  leaf scheduler /CN=system:kube-scheduler
  leaf proxy /CN=system:kube-proxy
  leaf master /O=system:nodes/CN=system:node:master IP:192.168.6.10
  leaf worker1 /O=system:nodes/CN=system:node:worker1 IP:192.168.6.11
  leaf worker2 /O=system:nodes/CN=system:node:worker2 IP:192.168.6.12
  openssl genrsa -out accounts.key 2048 2> /dev/null
  openssl rsa -in accounts.key -pubout -out accounts.pub 2> /dev/null
}

write_disk() { # index name
  local n=$2 root=$WORK/$2/root f
  mkdir -p "$root"
  truncate -s 8G "$WORK/$n/disk"
  mke2fs -q -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 "$WORK/$n/disk"
  mount -o loop "$WORK/$n/disk" "$root"
  tar -x -p --xattrs --xattrs-include='*' --numeric-owner -f "$ROOTFS" -C "$root"
  mkdir -p "$root/opt/floor/bin" "$root/opt/floor/images"
  cp "$K3S" "$root/opt/floor/bin/kube"
  for f in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
    ln -s kube "$root/opt/floor/bin/$f"
  done
  # shellcheck disable=SC2086 # a list
  cp $IMAGES "$root/opt/floor/images/"
  install -m 755 "$NODE" "$root/opt/floor/node"
  echo "$n" > "$root/etc/hostname"
  printf '127.0.0.1 localhost\n192.168.6.%d %s\n' "$((10 + $1))" "$n" > "$root/etc/hosts"
  touch "$root/etc/cloud/cloud-init.disabled"
  printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/opt/floor/node %s\n' "$1" \
    > "$root/etc/systemd/system/floor.service"
  ln -sf /etc/systemd/system/floor.service "$root/etc/systemd/system/multi-user.target.wants/floor.service"
  for f in systemd-networkd-wait-online systemd-remount-fs etcd containerd ssh; do
    ln -sf /dev/null "$root/etc/systemd/system/$f.service"
  done
}

start_node() { # index name
  local n=$2 c f
  cp -r "$WORK/pki" "$WORK/$n/root/opt/floor/pki"
  ip netns add "$ns-$n"
  ip link add "v$1" netns "$ns" type veth peer name ens160 netns "$ns-$n"
  ip -n "$ns" link set "v$1" master vmnet1 up
  ip -n "$ns-$n" link set lo up
  ip -n "$ns-$n" address add "192.168.6.$((10 + $1))/24" dev ens160
  ip -n "$ns-$n" link set ens160 up
  ip -n "$ns-$n" route add default via 192.168.6.1
  for c in /sys/fs/cgroup/ /sys/fs/cgroup/*/; do
    [ -f "$c/cgroup.procs" ] || continue
    mkdir -p "$c/$ns-$n" 2> /dev/null || continue
    for f in cpuset.cpus cpuset.mems; do
      if [ -f "$c/$f" ]; then cat "$c/$f" > "$c/$ns-$n/$f"; fi
    done
  done
  (
    for c in /sys/fs/cgroup/"$ns-$n" /sys/fs/cgroup/*/"$ns-$n"; do
      if [ -f "$c/cgroup.procs" ]; then echo "$BASHPID" > "$c/cgroup.procs"; fi
    done
    SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_SECCOMP=0 exec systemd-nspawn --quiet --directory="$WORK/$n/root" \
      --boot --machine="$n" --network-namespace-path="/run/netns/$ns-$n" --register=no --keep-unit --capability=all \
      --drop-capability=CAP_SYS_TIME,CAP_SYS_MODULE,CAP_SYS_RAWIO --bind=/dev/null:/dev/kmsg --kill-signal=SIGRTMIN+3 \
      > "$WORK/$n/console.log" 2>&1 < /dev/null
  ) &
}

ready() {
  ip netns exec "$ns" "$WORK/kubectl" --kubeconfig "$WORK/admin" get nodes --no-headers 2> /dev/null | grep -c ' Ready ' || true
}

ip netns add "$ns"
ip -n "$ns" link set lo up
ip -n "$ns" link add vmnet1 type bridge forward_delay 0
ip -n "$ns" address add 192.168.6.1/24 dev vmnet1
ip -n "$ns" link set vmnet1 up
(certificates) &
jobs=($!)
for i in 0 1 2; do
  write_disk "$i" "${nodes[i]}" &
  jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job"; done
ln -s "$K3S" "$WORK/kubectl"
sed "s|/opt/floor|$WORK|g" "$WORK/pki/admin.kubeconfig" > "$WORK/admin"
say "three disks written"
for i in 0 1 2; do start_node "$i" "${nodes[i]}"; done
say "three containers started"
told=0
until [ "$(ready)" = 3 ]; do
  elapsed=$(seconds)
  if [ "${elapsed%.*}" -ge 240 ]; then
    tail -n 5 "$WORK"/*/root/var/log/floor/*.log >&2 || true
    say "no three nodes Ready"
    exit 1
  fi
  if [ "${elapsed%.*}" -ge $((told + 5)) ]; then
    told=${elapsed%.*}
    say "$(ready) of 3 nodes Ready"
  fi
  sleep 0.2
done
seconds > "$WORK/seconds"
say "three nodes Ready"
