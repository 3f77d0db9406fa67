package main

import (
	"fmt"
	"io/ioutil"
	"os"
	"os/exec"
	"strings"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// runCheckConfig is the verb "check-config": what this machine needs to be a node, and what is missing.
func runCheckConfig() error {
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	filesystems, _ := ioutil.ReadFile("/proc/filesystems")
	_, route := utilnet.ChooseHostInterface()
	_, iptables := exec.LookPath("iptables")
	failed := 0
	for _, c := range []struct {
		what string
		fine bool
	}{
		{"default route", route == nil},
		{"cgroups: memory controller", exists("/sys/fs/cgroup/memory") || exists("/sys/fs/cgroup/cgroup.controllers")},
		{"overlay file system", strings.Contains(string(filesystems), "overlay")},
		{"bridge netfilter", exists("/proc/sys/net/bridge/bridge-nf-call-iptables")},
		{"iptables", iptables == nil},
		{"/usr/bin/containerd", exists("/usr/bin/containerd")},
		{"/usr/bin/etcd (servers)", exists("/usr/bin/etcd")},
		{"CNI plugins in " + cniPlugins, exists(cniPlugins + "/bridge")},
	} {
		state := "good"
		if !c.fine {
			state = "missing"
			failed++
		}
		fmt.Printf("- %s: %s\n", c.what, state)
	}
	if failed > 0 {
		return fmt.Errorf("STATUS: %d (fail)", failed)
	}
	fmt.Println("STATUS: pass")
	return nil
}
