#!/bin/bash
# Runs inside a node of the floor: Kubernetes in the plainest order. $1 is 0 for the server, 1 and 2 for the others.
set -u
i=$1
n=$(cat /etc/hostname)
ip=192.168.6.$((10 + i))
bin=/opt/floor/bin
pki=/opt/floor/pki
logs=/var/log/floor
mkdir -p $logs /run/floor /etc/cni/net.d /etc/containerd

for c in /sys/fs/cgroup /sys/fs/cgroup/*/; do mount -o remount,rw,bind "$c" 2> /dev/null; done
for kv in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  key=${kv%%=*}
  echo "${kv#*=}" > "/run/floor/${key##*/}"
  mount --bind "/run/floor/${key##*/}" "/proc/sys/$key" # the kubelet is shown what it would set on the host
done
echo 1 > /proc/sys/net/ipv4/ip_forward
for j in 0 1 2; do
  [ "$j" = "$i" ] || ip route replace "10.42.$j.0/24" via "192.168.6.$((10 + j))"
done
cat > /etc/cni/net.d/10-floor.conflist << C
{"cniVersion": "0.4.0", "name": "floor", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.42.$i.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
C
cat > /etc/containerd/config.toml << C
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "docker.io/rancher/mirrored-pause:3.6"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
C
cat > /run/floor/kubelet.yaml << C
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
failSwapOn: false
nodeStatusUpdateFrequency: 2s
tlsCertFile: $pki/$n.crt
tlsPrivateKeyFile: $pki/$n.key
C

run() { # log program arguments
  local log=$1
  shift
  setsid "$@" > "$logs/$log.log" 2>&1 < /dev/null &
}

run containerd containerd
if [ "$i" = 0 ]; then
  run etcd etcd --data-dir /var/lib/floor-etcd --log-level warn
  run apiserver $bin/kube-apiserver --etcd-servers=http://127.0.0.1:2379 --service-cluster-ip-range=10.43.0.0/16 \
    --service-account-key-file=$pki/accounts.pub --service-account-signing-key-file=$pki/accounts.key \
    --service-account-issuer=https://kubernetes.default.svc --client-ca-file=$pki/ca.crt \
    --tls-cert-file=$pki/apiserver.crt --tls-private-key-file=$pki/apiserver.key \
    --kubelet-client-certificate=$pki/admin.crt --kubelet-client-key=$pki/admin.key \
    --kubelet-certificate-authority=$pki/ca.crt --authorization-mode=Node,RBAC \
    --enable-admission-plugins=NodeRestriction --allow-privileged --anonymous-auth=false --advertise-address=$ip \
    --secure-port=6443
  until $bin/kubectl --kubeconfig $pki/admin.kubeconfig get --raw /readyz > /dev/null 2>&1; do sleep 0.5; done
  run manager $bin/kube-controller-manager --kubeconfig=$pki/manager.kubeconfig --leader-elect=false \
    --service-account-private-key-file=$pki/accounts.key --root-ca-file=$pki/ca.crt \
    --use-service-account-credentials=true --bind-address=127.0.0.1
  run scheduler $bin/kube-scheduler --kubeconfig=$pki/scheduler.kubeconfig --leader-elect=false --bind-address=127.0.0.1
fi
until [ -S /run/containerd/containerd.sock ]; do sleep 0.2; done
for t in /opt/floor/images/*; do ctr -n k8s.io images import "$t" > /dev/null 2>> $logs/import.log; done
run kubelet $bin/kubelet --config=/run/floor/kubelet.yaml --kubeconfig="$pki/$n.kubeconfig" \
  --container-runtime=remote --container-runtime-endpoint=unix:///run/containerd/containerd.sock --node-ip=$ip \
  --hostname-override="$n" --register-node
run proxy $bin/kube-proxy --kubeconfig=$pki/proxy.kubeconfig --hostname-override="$n" --cluster-cidr=10.42.0.0/16 \
  --proxy-mode=iptables --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 \
  --conntrack-tcp-timeout-close-wait=0
