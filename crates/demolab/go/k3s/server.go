package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/util/cert"
)

const (
	nodeMonitorPeriod = "2s"
	nodeMonitorGrace  = "20s"
)

// elect is how servers agree on whose controllers work; longer than Kubernetes' 15 s, because a lab's machine is slow.
var elect = []string{"--leader-elect=true", "--leader-elect-resource-lock=leases", "--leader-elect-lease-duration=30s", "--leader-elect-renew-deadline=20s", "--leader-elect-retry-period=2s"}

// runServer is the verb "server": the control plane, and this machine as a node of it.
func runServer(args []string) error {
	s, err := loadSettings(server, args)
	if err != nil {
		return err
	}
	if s.on("cluster-reset") {
		return live(func(ctx context.Context, f *family) error { return resetCluster(ctx, f, s) })
	}
	if s.one("cluster-reset-restore-path") != "" {
		return fmt.Errorf("invalid flag use; --cluster-reset required with --cluster-reset-restore-path")
	}
	err = live(func(ctx context.Context, f *family) error { return serve(ctx, f, s) })
	mourn(s, err)
	return err
}

func serve(ctx context.Context, f *family, s settings) error {
	logf("info", "Starting k3s %s: airlab's stand-in for it, Kubernetes v1.20.2 (differences: k3s --version)", standsFor)
	s.warn()
	n, err := newNode(s, f)
	if err != nil {
		return err
	}
	if err := makeDirs(0700, s.dir("server", "tls", "etcd"), s.dir("server", "cred"), s.dir("server", "db", "snapshots"), s.dir("server", "manifests"), s.dir("server", "static", "charts")); err != nil {
		return err
	}
	os.Remove(s.resetFlag())
	d, err := openDatastore(s, n)
	if err != nil {
		return err
	}
	shown, err := joinToken(ctx, s, d)
	if err != nil {
		return err
	}
	cas, err := openAuthorities(s.dir("server", "tls"))
	if err != nil {
		return err
	}
	forServers, forAgents, err := serverTokens(s, cas.server)
	if err != nil {
		return err
	}
	if err := serverIdentities(s, cas, n); err != nil {
		return err
	}
	var containers <-chan error
	if !s.on("disable-agent") {
		containers = n.startContainers(ctx) // images are read in while the API comes up
	}
	if err := d.run(ctx, f, shown); err != nil {
		return err
	}
	if err := startAPI(ctx, f, s, n, forServers, forAgents); err != nil {
		return err
	}
	logf("info", "Kube API server is now running")
	if err := releaseLeases(ctx, s); err != nil {
		logf("warning", "leases of an earlier start: %v", err)
	}
	if err := startControllers(f, s); err != nil {
		return err
	}
	mode, err := strconv.ParseUint(s.one("write-kubeconfig-mode"), 8, 32)
	if err != nil {
		return fmt.Errorf("write-kubeconfig-mode: %v", err)
	}
	if err := writeKubeconfig(s.one("write-kubeconfig"), s.localURL(), s.dir("server", "tls", "server-ca.crt"), s.dir("server", "tls", "client-admin"), os.FileMode(mode)); err != nil {
		return err
	}
	if err := writePackaged(ctx, s); err != nil {
		return err
	}
	go keepManifests(ctx, s)
	go keepCharts(ctx, s)
	go keepSnapshots(ctx, s)
	notify("READY=1")
	logf("info", "k3s is up and running")
	if !s.on("disable-agent") {
		if err := n.enter(ctx, s.localURL(), forAgents, containers); err != nil {
			return err
		}
	}
	return n.keepRoles(ctx, s, d)
}

// joinToken is the token to join others with; where this server is new, it gets what makes it one of the cluster.
func joinToken(ctx context.Context, s settings, d *datastore) (token, error) {
	if s.one("server") == "" {
		return token{}, nil
	}
	shown, err := s.configuredToken("token")
	if err != nil {
		return token{}, err
	}
	t, err := parseToken(shown)
	if err != nil {
		return t, fmt.Errorf("--token is required: %v", err)
	}
	if d.exists() {
		return t, nil
	}
	return t, bootstrap(ctx, s, t)
}

func (s settings) localURL() string {
	return "https://" + net.JoinHostPort(s.loopback(), s.one("https-listen-port"))
}

func startAPI(ctx context.Context, f *family, s settings, n *node, forServers, forAgents token) error {
	pki, etcd := s.dir("server", "tls")+"/", s.dir("server", "tls", "etcd")+"/"
	front, err := json.Marshal(supervisorConfig{
		DataDir: s.one("data-dir"), ServerPassword: forServers.password, AgentPassword: forAgents.password, Embedded: s.embedded(), Facts: s.facts(),
	})
	if err != nil {
		return err
	}
	frontPath := s.dir("server", "cred", "supervisor.json")
	if err := writeFile(frontPath, front, 0600); err != nil {
		return err
	}
	args := []string{
		"--etcd-servers=https://127.0.0.1:2379", "--etcd-cafile=" + etcd + "server-ca.crt", "--etcd-certfile=" + etcd + "client.crt", "--etcd-keyfile=" + etcd + "client.key",
		"--bind-address=" + s.one("bind-address"), "--secure-port=" + s.one("https-listen-port"), "--advertise-address=" + s.advertise(n),
		"--service-cluster-ip-range=" + s.one("service-cidr"), "--service-node-port-range=" + s.one("service-node-port-range"),
		"--service-account-key-file=" + pki + "service.pub", "--service-account-signing-key-file=" + pki + "service.key",
		"--service-account-issuer=https://kubernetes.default.svc." + s.one("cluster-domain"),
		"--api-audiences=https://kubernetes.default.svc." + s.one("cluster-domain") + ",k3s",
		"--client-ca-file=" + pki + "client-ca.crt", "--tls-cert-file=" + pki + "serving-kube-apiserver.crt", "--tls-private-key-file=" + pki + "serving-kube-apiserver.key",
		"--kubelet-client-certificate=" + pki + "client-kube-apiserver.crt", "--kubelet-client-key=" + pki + "client-kube-apiserver.key",
		"--kubelet-certificate-authority=" + pki + "server-ca.crt", "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
		"--requestheader-client-ca-file=" + pki + "request-header-ca.crt", "--requestheader-allowed-names=system:auth-proxy",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + pki + "client-auth-proxy.crt", "--proxy-client-key-file=" + pki + "client-auth-proxy.key",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true", "--anonymous-auth=false", "--profiling=false",
	}
	if s.on("secrets-encryption") {
		path, err := encryptionConfig(s)
		if err != nil {
			return err
		}
		args = append(args, "--encryption-provider-config="+path)
	}
	if err := f.start("kube-apiserver", "", "", []string{supervisorEnv + "=" + frontPath}, withOwn(args, s["kube-apiserver-arg"])...); err != nil {
		return err
	}
	ready, err := readyProbe(s)
	if err != nil {
		return err
	}
	return wait(ctx, "kube-apiserver ready", 10*time.Minute, ready)
}

// readyProbe asks the API server's /readyz as the supervisor.
func readyProbe(s settings) (func() error, error) {
	pki := s.dir("server", "tls") + "/"
	own, err := tls.LoadX509KeyPair(pki+"client-supervisor.crt", pki+"client-supervisor.key")
	if err != nil {
		return nil, err
	}
	roots, err := cert.NewPool(pki + "server-ca.crt")
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}}, DisableKeepAlives: true,
	}}
	return func() error {
		answer, err := client.Get(s.localURL() + "/readyz")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz: %s", answer.Status)
		}
		return nil
	}, nil
}

func startControllers(f *family, s settings) error {
	pki, cred := s.dir("server", "tls")+"/", s.dir("server", "cred")+"/"
	sign := func(signer, ca string) []string {
		return []string{"--cluster-signing-" + signer + "-cert-file=" + pki + ca + ".crt", "--cluster-signing-" + signer + "-key-file=" + pki + ca + ".key"}
	}
	args := []string{
		"--kubeconfig=" + cred + "controller.kubeconfig", "--service-account-private-key-file=" + pki + "service.key", "--root-ca-file=" + pki + "server-ca.crt",
		"--allocate-node-cidrs=true", "--cluster-cidr=" + s.one("cluster-cidr"), "--service-cluster-ip-range=" + s.one("service-cidr"), "--node-cidr-mask-size=24",
		"--node-monitor-period=" + nodeMonitorPeriod, "--node-monitor-grace-period=" + nodeMonitorGrace,
		"--use-service-account-credentials=true", "--bind-address=127.0.0.1", "--port=0", "--profiling=false",
	}
	args = append(append(args, elect...), sign("kubelet-serving", "server-ca")...)
	for _, signer := range []string{"kubelet-client", "kube-apiserver-client", "legacy-unknown"} {
		args = append(args, sign(signer, "client-ca")...)
	}
	if err := f.start("kube-controller-manager", "", "", nil, withOwn(args, s["kube-controller-manager-arg"])...); err != nil {
		return err
	}
	args = append([]string{"--kubeconfig=" + cred + "scheduler.kubeconfig", "--bind-address=127.0.0.1", "--port=0", "--profiling=false"}, elect...)
	return f.start("kube-scheduler", "", "", nil, withOwn(args, s["kube-scheduler-arg"])...)
}

// withOwn adds the user's own "key=value" arguments of a component.
func withOwn(args, own []string) []string {
	for _, arg := range own {
		args = append(args, "--"+strings.TrimLeft(arg, "-"))
	}
	return args
}
