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

// runServer is the verb "server": the control plane, and this machine as a node of it.
func runServer(args []string) error {
	s, err := loadSettings(server, args)
	if err != nil {
		return err
	}
	if url := s.one("server"); url != "" {
		return fmt.Errorf("server %s: the stand-in for k3s has one server; remove `server:` or run `k3s agent`", url)
	}
	if s.on("cluster-reset") {
		return resetCluster(s)
	}
	return live(func(ctx context.Context, f *family) error { return serve(ctx, f, s) })
}

func serve(ctx context.Context, f *family, s settings) error {
	logf("info", "Starting k3s %s: airlab's stand-in for it, Kubernetes v1.20.2 (differences: k3s --version)", standsFor)
	logf("warning", "stand-in for k3s: no traefik, servicelb, coredns, local-storage, metrics-server or helm-controller")
	s.warn()
	n, err := newNode(s, f)
	if err != nil {
		return err
	}
	if err := makeDirs(0700, s.dir("server", "tls", "etcd"), s.dir("server", "cred"), s.dir("server", "db", "snapshots"), s.dir("server", "manifests")); err != nil {
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
	containers := n.startContainers(ctx) // images are read in while the API comes up
	if err := startEtcd(f, s, n); err != nil {
		return err
	}
	if err := startAPI(ctx, f, s, n, forServers, forAgents); err != nil {
		return err
	}
	logf("info", "Kube API server is now running")
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
	go keepManifests(ctx, s)
	go keepSnapshots(ctx, s)
	notify("READY=1")
	logf("info", "k3s is up and running")
	if err := n.enter(ctx, s.localURL(), forAgents, containers); err != nil {
		return err
	}
	return n.keepRoles(ctx, s)
}

func (s settings) localURL() string {
	return "https://" + net.JoinHostPort(s.loopback(), s.one("https-listen-port"))
}

func startEtcd(f *family, s settings, n *node) error {
	pki := s.dir("server", "tls", "etcd") + "/"
	peer := "https://" + net.JoinHostPort(n.ip, "2380")
	args := []string{
		"--name=default", "--data-dir=" + s.dir("server", "db", "etcd"), "--log-level=warn", "--logger=zap",
		"--listen-client-urls=https://127.0.0.1:2379,https://" + net.JoinHostPort(n.ip, "2379"),
		"--advertise-client-urls=https://" + net.JoinHostPort(n.ip, "2379"),
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer,
		"--client-cert-auth", "--trusted-ca-file=" + pki + "server-ca.crt", "--cert-file=" + pki + "server-client.crt", "--key-file=" + pki + "server-client.key",
		"--peer-client-cert-auth", "--peer-trusted-ca-file=" + pki + "peer-ca.crt", "--peer-cert-file=" + pki + "peer-server-client.crt", "--peer-key-file=" + pki + "peer-server-client.key",
	}
	if s.on("cluster-init") {
		if err := writeFile(s.dir("server", "db", "cluster-init"), nil, 0600); err != nil {
			return err
		}
	}
	return f.start("etcd", "/usr/bin/etcd", "", nil, withOwn(args, s["etcd-arg"])...)
}

func startAPI(ctx context.Context, f *family, s settings, n *node, forServers, forAgents token) error {
	pki, etcd := s.dir("server", "tls")+"/", s.dir("server", "tls", "etcd")+"/"
	front, err := json.Marshal(supervisorConfig{
		DataDir: s.one("data-dir"), ServerPassword: forServers.password, AgentPassword: forAgents.password,
		Facts: clusterFacts{s.one("cluster-cidr"), s.one("service-cidr"), s.one("cluster-dns"), s.one("cluster-domain"), s.one("flannel-backend")},
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
		"--leader-elect=false", "--use-service-account-credentials=true", "--bind-address=127.0.0.1", "--port=0", "--profiling=false",
	}
	args = append(args, sign("kubelet-serving", "server-ca")...)
	for _, signer := range []string{"kubelet-client", "kube-apiserver-client", "legacy-unknown"} {
		args = append(args, sign(signer, "client-ca")...)
	}
	if err := f.start("kube-controller-manager", "", "", nil, withOwn(args, s["kube-controller-manager-arg"])...); err != nil {
		return err
	}
	args = []string{"--kubeconfig=" + cred + "scheduler.kubeconfig", "--leader-elect=false", "--bind-address=127.0.0.1", "--port=0", "--profiling=false"}
	return f.start("kube-scheduler", "", "", nil, withOwn(args, s["kube-scheduler-arg"])...)
}

// withOwn adds the user's own "key=value" arguments of a component.
func withOwn(args, own []string) []string {
	for _, arg := range own {
		args = append(args, "--"+strings.TrimLeft(arg, "-"))
	}
	return args
}
