package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
)

// node is this machine as a member of a cluster, whatever its role.
type node struct {
	s        settings
	f        *family
	name, ip string
	facts    clusterFacts
	client   kubernetes.Interface // with the kubelet's identity
}

// runAgent is the verb "agent".
func runAgent(args []string) error {
	s, err := loadSettings(agent, args)
	if err != nil {
		return err
	}
	shown, err := s.configuredToken("token")
	if err != nil {
		return err
	}
	t, err := parseToken(shown)
	if err != nil {
		return fmt.Errorf("--token is required: %v", err)
	}
	if s.one("server") == "" {
		return fmt.Errorf("--server is required")
	}
	return live(func(ctx context.Context, f *family) error {
		logf("info", "Starting k3s agent %s: airlab's stand-in for it, Kubernetes v1.20.2 (differences: k3s --version)", standsFor)
		s.warn()
		n, err := newNode(s, f)
		if err != nil {
			return err
		}
		containers := n.startContainers(ctx)
		servers, err := startBalancer(ctx, s)
		if err != nil {
			return err
		}
		if err := n.enter(ctx, servers.url, t, containers); err != nil {
			return err
		}
		if err := servers.follow(ctx, s, s.dir("agent", "kubeproxy.kubeconfig")); err != nil {
			return err
		}
		notify("READY=1")
		return nil
	})
}

// newNode settles who this machine is, and refuses a machine that has no default route, as k3s does.
func newNode(s settings, f *family) (*node, error) {
	outward, err := utilnet.ChooseHostInterface()
	if err != nil {
		return nil, err
	}
	n := &node{s: s, f: f, name: s.one("node-name"), ip: outward.String()}
	if n.name == "" {
		if n.name, err = os.Hostname(); err != nil {
			return nil, err
		}
	}
	n.name = strings.ToLower(n.name)
	if len(s["node-ip"]) > 0 {
		n.ip = s["node-ip"][0]
	} else if name := s.one("flannel-iface"); name != "" {
		if n.ip, err = addressOf(name); err != nil {
			return nil, err
		}
	}
	if net.ParseIP(n.ip) == nil {
		return nil, fmt.Errorf("invalid node-ip: invalid ip format '%s'", n.ip)
	}
	if name := s.one("flannel-iface"); name != "" {
		if _, err := net.InterfaceByName(name); err != nil {
			return nil, fmt.Errorf("unable to find interface %s: %v", name, err)
		}
	}
	return n, makeDirs(0755, s.dir("agent", "images"), s.dir("agent", "etc", "containerd"), s.dir("agent", "etc", "cni", "net.d"), s.dir("agent", "containerd"))
}

func addressOf(name string) (string, error) {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return "", fmt.Errorf("unable to find interface %s: %v", name, err)
	}
	addresses, err := link.Addrs()
	if err != nil {
		return "", err
	}
	for _, a := range addresses {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() != nil {
			return ip.String(), nil
		}
	}
	return "", fmt.Errorf("interface %s has no IPv4 address", name)
}

// enter joins the cluster and starts what a node runs; it returns when the node is registered.
func (n *node) enter(ctx context.Context, server string, t token, containers <-chan error) error {
	password, err := ownNodePassword()
	if err != nil {
		return err
	}
	header := http.Header{"K3s-Node-Name": {n.name}, "K3s-Node-Password": {password}, "K3s-Node-Ip": {n.ip}}
	own := func(name string) string { return n.s.dir("agent", name) }
	err = join(ctx, server, t, header, func(m *membership) error {
		var err error
		if n.facts, err = m.facts(ctx); err != nil {
			return err
		}
		for _, name := range []string{"serving-kubelet", "client-kubelet", "client-kube-proxy"} {
			if err := m.identity(ctx, name, own(name)); err != nil {
				return err
			}
		}
		for _, name := range []string{"server-ca.crt", "client-ca.crt"} {
			if err := m.fetch(ctx, name, own(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	logf("info", "Node %s joined the cluster of %s", n.name, server)
	for kubeconfig, identity := range map[string]string{"kubelet": "client-kubelet", "kubeproxy": "client-kube-proxy"} {
		if err := writeKubeconfig(own(kubeconfig+".kubeconfig"), server, own("server-ca.crt"), own(identity), 0600); err != nil {
			return err
		}
	}
	if n.client, err = clientFrom(own("kubelet.kubeconfig")); err != nil {
		return err
	}
	if err := <-containers; err != nil {
		return err
	}
	if err := n.startKubelet(); err != nil {
		return err
	}
	go n.keepNetwork(ctx)
	if err := wait(ctx, "node "+n.name+" registered", 10*time.Minute, func() error {
		_, err := n.client.CoreV1().Nodes().Get(ctx, n.name, meta.GetOptions{})
		return err
	}); err != nil {
		return err
	}
	return n.startProxy() // it asks for its node first of all
}
