package main

import (
	"fmt"
	"io/ioutil"
	"net"
	"os"
	"path/filepath"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	api "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/keyutil"
)

// clusterFacts is what a node has to know about its cluster; the supervisor hands it out.
type clusterFacts struct {
	ClusterCIDR, ServiceCIDR, ClusterDNS, ClusterDomain string
	FlannelBackend                                      string
}

// authorities are the CAs of a server.
type authorities struct {
	server, client, requestHeader, etcdServer, etcdPeer *authority
}

func openAuthorities(dir string) (authorities, error) {
	var a authorities
	for name, to := range map[string]**authority{
		"server-ca": &a.server, "client-ca": &a.client, "request-header-ca": &a.requestHeader,
		"etcd/server-ca": &a.etcdServer, "etcd/peer-ca": &a.etcdPeer,
	} {
		found, err := openAuthority(dir, name)
		if err != nil {
			return a, err
		}
		*to = found
	}
	return a, nil
}

// serverIdentities issues every certificate of a server and the kubeconfigs of the programs on it.
func serverIdentities(s settings, a authorities, n *node) error {
	tls := func(name string) string { return s.dir("server", "tls", name) }
	localAPI := "https://" + net.JoinHostPort(s.loopback(), s.one("https-listen-port"))
	firstService, err := firstAddress(s.one("service-cidr"))
	if err != nil {
		return err
	}
	domain := s.one("cluster-domain")
	sans := unique(append([]string{"127.0.0.1", "::1", "localhost", n.name, n.ip, s.advertise(n), firstService, "kubernetes", "kubernetes.default",
		"kubernetes.default.svc", "kubernetes.default.svc." + domain}, s["tls-san"]...))
	etcdSans := unique([]string{"127.0.0.1", "::1", "localhost", n.name, n.ip})
	for path, what := range map[string]struct {
		by   *authority
		want leaf
	}{
		"serving-kube-apiserver":  {a.server, leaf{"kube-apiserver", "", sans, forServer}},
		"client-kube-apiserver":   {a.client, leaf{"system:apiserver", "system:masters", nil, forClient}},
		"client-admin":            {a.client, leaf{"system:admin", "system:masters", nil, forClient}},
		"client-supervisor":       {a.client, leaf{"system:k3s-supervisor", "system:masters", nil, forClient}},
		"client-controller":       {a.client, leaf{"system:kube-controller-manager", "", nil, forClient}},
		"client-scheduler":        {a.client, leaf{"system:kube-scheduler", "", nil, forClient}},
		"client-auth-proxy":       {a.requestHeader, leaf{"system:auth-proxy", "", nil, forClient}},
		"etcd/server-client":      {a.etcdServer, leaf{"etcd-server", "", etcdSans, forPeer}},
		"etcd/client":             {a.etcdServer, leaf{"etcd-client", "", nil, forClient}},
		"etcd/peer-server-client": {a.etcdPeer, leaf{"etcd-peer", "", etcdSans, forPeer}},
	} {
		if err := what.by.ensure(tls(path), what.want); err != nil {
			return err
		}
	}
	for _, who := range []string{"admin", "supervisor", "controller", "scheduler"} {
		if err := writeKubeconfig(s.dir("server", "cred", who+".kubeconfig"), localAPI, tls("server-ca.crt"), tls("client-"+who), 0600); err != nil {
			return err
		}
	}
	return serviceAccountKeys(tls("service.key"), tls("service.pub"))
}

// serviceAccountKeys keeps the given or made key and writes its public half, which the API server wants in PEM.
func serviceAccountKeys(private, public string) error {
	key, err := ensureKey(private)
	if err != nil {
		return err
	}
	bytes, err := publicPEM(key.Public())
	if err != nil {
		return err
	}
	if _, err := keyutil.ParsePublicKeysPEM(bytes); err != nil {
		return err
	}
	return writeFile(public, bytes, 0644)
}

// writeKubeconfig writes one with everything inside it, so that the file can be carried away.
func writeKubeconfig(path, url, ca, identity string, mode os.FileMode) error {
	var parts [3][]byte
	for i, from := range []string{ca, identity + ".crt", identity + ".key"} {
		bytes, err := ioutil.ReadFile(from)
		if err != nil {
			return err
		}
		parts[i] = bytes
	}
	config := api.NewConfig()
	config.Clusters["default"] = &api.Cluster{Server: url, CertificateAuthorityData: parts[0]}
	config.AuthInfos["default"] = &api.AuthInfo{ClientCertificateData: parts[1], ClientKeyData: parts[2]}
	config.Contexts["default"] = &api.Context{Cluster: "default", AuthInfo: "default"}
	config.CurrentContext = "default"
	bytes, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}
	if old, err := ioutil.ReadFile(path); err == nil && string(old) == string(bytes) {
		return os.Chmod(path, mode)
	}
	return writeFile(path, bytes, mode)
}

func clientFrom(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// loopback is where this server's own programs reach its API.
func (s settings) loopback() string {
	if ip := net.ParseIP(s.one("bind-address")); ip != nil && !ip.IsUnspecified() {
		return ip.String()
	}
	return "127.0.0.1"
}

func (s settings) advertise(n *node) string {
	if v := s.one("advertise-address"); v != "" {
		return v
	}
	return n.ip
}

func firstAddress(cidr string) (string, error) {
	_, network, err := net.ParseCIDR(cidr)
	if err != nil {
		return "", err
	}
	ip := append(net.IP{}, network.IP...)
	ip[len(ip)-1]++
	return ip.String(), nil
}

func unique(in []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range in {
		if s != "" && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

func makeDirs(mode os.FileMode, dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, mode); err != nil {
			return fmt.Errorf("%s: %v", filepath.Base(dir), err)
		}
	}
	return nil
}
