package main

import (
	"context"
	"encoding/json"
	"io/ioutil"
	"net"
	"os/exec"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/tools/cache"
)

// routeProtocol marks the routes that are ours to remove. (flannel leaves its own unmarked.)
const routeProtocol = 83

// keepNetwork does what flannel's host-gw does: this node's pods on a bridge, a route to every other node's pods.
func (n *node) keepNetwork(ctx context.Context) {
	for key, value := range map[string]string{"ipv4/ip_forward": "1", "bridge/bridge-nf-call-iptables": "1"} {
		if err := ioutil.WriteFile("/proc/sys/net/"+key, []byte(value), 0644); err != nil {
			logf("warning", "net/%s was not set to %s: %v", key, value, err)
		}
	}
	n.masquerade()
	kick := make(chan struct{}, 1)
	poke := func() {
		select {
		case kick <- struct{}{}:
		default:
		}
	}
	source := cache.NewListWatchFromClient(n.client.CoreV1().RESTClient(), "nodes", "", fields.Everything())
	store, controller := cache.NewInformer(source, &core.Node{}, 30*time.Second, cache.ResourceEventHandlerFuncs{
		AddFunc: func(interface{}) { poke() }, UpdateFunc: func(interface{}, interface{}) { poke() }, DeleteFunc: func(interface{}) { poke() },
	})
	go controller.Run(ctx.Done())
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-kick:
		}
		if !controller.HasSynced() {
			continue
		}
		err := n.arrange(store.List())
		if err != nil && err.Error() != last {
			logf("error", "pod network: %v", err)
		}
		if last = ""; err != nil {
			last = err.Error()
		}
	}
}

// masquerade hides pods behind the node for everything that is not the cluster, and lets their traffic through.
func (n *node) masquerade() {
	pods := n.facts.ClusterCIDR
	for _, rule := range [][]string{
		{"nat", "POSTROUTING", "-s", pods, "!", "-d", pods, "-m", "comment", "--comment", "flanneld masq", "-j", "MASQUERADE"},
		{"filter", "FORWARD", "-s", pods, "-m", "comment", "--comment", "flanneld forward", "-j", "ACCEPT"},
		{"filter", "FORWARD", "-d", pods, "-m", "comment", "--comment", "flanneld forward", "-j", "ACCEPT"},
	} {
		with := func(verb string) ([]byte, error) {
			return exec.Command("iptables", append([]string{"-w", "5", "-t", rule[0], verb}, rule[1:]...)...).CombinedOutput()
		}
		if _, err := with("-C"); err == nil {
			continue
		}
		if out, err := with("-A"); err != nil {
			logf("warning", "iptables: %v: %s", err, strings.TrimSpace(string(out)))
		}
	}
}

func (n *node) arrange(nodes []interface{}) error {
	wanted := map[string]net.IP{}
	for _, o := range nodes {
		other, ok := o.(*core.Node)
		if !ok || other.Spec.PodCIDR == "" {
			continue
		}
		if other.Name == n.name {
			if err := n.writeCNI(other.Spec.PodCIDR); err != nil {
				return err
			}
			continue
		}
		for _, a := range other.Status.Addresses {
			if a.Type == core.NodeInternalIP {
				wanted[other.Spec.PodCIDR] = net.ParseIP(a.Address)
				break
			}
		}
	}
	return route(wanted)
}

// route makes exactly the wanted routes, of those that carry our mark.
func route(wanted map[string]net.IP) error {
	have, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return err
	}
	for i := range have {
		to := have[i].Dst.String()
		if via, ok := wanted[to]; ok && via.Equal(have[i].Gw) {
			delete(wanted, to)
		} else if !ok {
			if err := netlink.RouteDel(&have[i]); err != nil {
				return err
			}
		}
	}
	for to, via := range wanted {
		_, network, err := net.ParseCIDR(to)
		if err != nil {
			return err
		}
		if err := netlink.RouteReplace(&netlink.Route{Dst: network, Gw: via, Protocol: routeProtocol}); err != nil {
			return err
		}
		logf("info", "route to %s via %s", to, via)
	}
	return nil
}

// writeCNI tells containerd how to connect pods; the node is Ready soon after.
func (n *node) writeCNI(pods string) error {
	content, err := json.MarshalIndent(object{
		"cniVersion": "0.4.0", "name": "cbr0",
		"plugins": []object{
			{"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true, "ipam": object{
				"type": "host-local", "ranges": [][]object{{{"subnet": pods}}}, "routes": []object{{"dst": "0.0.0.0/0"}},
			}},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	path := n.s.dir("agent", "etc", "cni", "net.d", "10-flannel.conflist")
	if old, err := ioutil.ReadFile(path); err == nil && string(old) == string(content) {
		return nil
	}
	return writeFile(path, content, 0600)
}
