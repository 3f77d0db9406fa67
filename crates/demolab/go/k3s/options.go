package main

// shape is what a configuration key takes.
type shape int

const (
	text   shape = iota // one value, the last one wins
	words               // several values, also separated by commas
	list                // several values, taken as they are
	toggle              // true or false
)

// role is which of the two long-running verbs knows a key.
type role int

const (
	server role = 1
	agent  role = 2
	both   role = server | agent
)

// option is one configuration key, which is also a flag.
type option struct {
	shape    shape
	role     role
	env      string // environment variable that sets it too
	standard string // value when nobody sets it
	cannot   string // what the stand-in says when it is set, because it does nothing about it
}

const noSuch = "the stand-in has none; ignored"

// options are the keys of k3s that users of this lab meet.
var knownOptions = map[string]option{
	"config":                            {text, both, "K3S_CONFIG_FILE", "/etc/rancher/k3s/config.yaml", ""},
	"data-dir":                          {text, both, "K3S_DATA_DIR", "/var/lib/rancher/k3s", ""},
	"debug":                             {toggle, both, "K3S_DEBUG", "", ""},
	"disable-default-registry-endpoint": {toggle, both, "", "", ""},
	"flannel-iface":                     {text, both, "", "", ""},
	"kube-proxy-arg":                    {list, both, "", "", ""},
	"kubelet-arg":                       {list, both, "", "", ""},
	"lb-server-port":                    {text, both, "K3S_LB_SERVER_PORT", "6444", ""},
	"node-external-ip":                  {words, both, "", "", noSuch},
	"node-ip":                           {words, both, "", "", ""},
	"node-label":                        {words, both, "", "", ""},
	"node-name":                         {text, both, "K3S_NODE_NAME", "", ""},
	"node-taint":                        {words, both, "", "", ""},
	"pause-image":                       {text, both, "", "rancher/mirrored-pause:3.6", ""},
	"prefer-bundled-bin":                {toggle, both, "", "", noSuch},
	"private-registry":                  {text, both, "", "/etc/rancher/k3s/registries.yaml", ""},
	"protect-kernel-defaults":           {toggle, both, "", "", ""},
	"resolv-conf":                       {text, both, "K3S_RESOLV_CONF", "", ""},
	"selinux":                           {toggle, both, "K3S_SELINUX", "", noSuch},
	"server":                            {text, both, "K3S_URL", "", ""},
	"snapshotter":                       {text, both, "", "overlayfs", ""},
	"system-default-registry":           {text, both, "K3S_SYSTEM_DEFAULT_REGISTRY", "", "images keep their own names; ignored"},
	"token":                             {text, both, "K3S_TOKEN", "", ""},
	"token-file":                        {text, both, "K3S_TOKEN_FILE", "", ""},
	"with-node-id":                      {toggle, both, "", "", noSuch},

	"advertise-address":           {text, server, "", "", ""},
	"agent-token":                 {text, server, "K3S_AGENT_TOKEN", "", ""},
	"agent-token-file":            {text, server, "K3S_AGENT_TOKEN_FILE", "", ""},
	"bind-address":                {text, server, "", "0.0.0.0", ""},
	"cluster-cidr":                {text, server, "", "10.42.0.0/16", ""},
	"cluster-dns":                 {text, server, "", "10.43.0.10", ""},
	"cluster-domain":              {text, server, "", "cluster.local", ""},
	"cluster-init":                {toggle, server, "K3S_CLUSTER_INIT", "", ""},
	"cluster-reset":               {toggle, server, "K3S_CLUSTER_RESET", "", ""},
	"cluster-reset-restore-path":  {text, server, "", "", ""},
	"default-local-storage-path":  {text, server, "", "", noSuch},
	"disable":                     {words, server, "", "", ""},
	"disable-agent":               {toggle, server, "", "", ""},
	"disable-cloud-controller":    {toggle, server, "", "", ""},
	"disable-helm-controller":     {toggle, server, "", "", ""},
	"disable-network-policy":      {toggle, server, "", "", ""},
	"embedded-registry":           {toggle, server, "", "", "the stand-in has no embedded registry; ignored"},
	"etcd-arg":                    {list, server, "", "", ""},
	"etcd-disable-snapshots":      {toggle, server, "", "", ""},
	"etcd-expose-metrics":         {toggle, server, "", "", noSuch},
	"etcd-snapshot-compress":      {toggle, server, "", "", "snapshots are kept as they are; ignored"},
	"etcd-snapshot-dir":           {text, server, "", "", ""},
	"etcd-snapshot-name":          {text, server, "", "etcd-snapshot", ""},
	"etcd-snapshot-retention":     {text, server, "", "5", ""},
	"etcd-snapshot-schedule-cron": {text, server, "", "0 */12 * * *", ""},
	"flannel-backend":             {text, server, "", "host-gw", ""},
	"helm-job-image":              {text, server, "", "", ""},
	"https-listen-port":           {text, server, "", "6443", ""},
	"kube-apiserver-arg":          {list, server, "", "", ""},
	"kube-controller-manager-arg": {list, server, "", "", ""},
	"kube-scheduler-arg":          {list, server, "", "", ""},
	"secrets-encryption":          {toggle, server, "", "", ""},
	"service-cidr":                {text, server, "", "10.43.0.0/16", ""},
	"service-node-port-range":     {text, server, "", "30000-32767", ""},
	"servicelb-namespace":         {text, server, "", "", noSuch},
	"supervisor-metrics":          {toggle, server, "", "", noSuch},
	"tls-san":                     {words, server, "", "", ""},
	"tls-san-security":            {toggle, server, "", "true", ""},
	"write-kubeconfig":            {text, server, "K3S_KUBECONFIG_OUTPUT", defaultKubeconfig, ""},
	"write-kubeconfig-group":      {text, server, "K3S_KUBECONFIG_GROUP", "", noSuch},
	"write-kubeconfig-mode":       {text, server, "K3S_KUBECONFIG_MODE", "0600", ""},
}
