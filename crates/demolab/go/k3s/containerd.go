package main

import (
	"context"
	"fmt"
	"io/ioutil"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

const (
	containerdState  = "/run/k3s/containerd"
	containerdSocket = containerdState + "/containerd.sock"
	cniPlugins       = "/usr/lib/cni"
)

// startContainers starts containerd and reads in the images of the images folder; the answer comes when both are done.
func (n *node) startContainers(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() {
		done <- n.containers(ctx)
	}()
	return done
}

func (n *node) containers(ctx context.Context) error {
	registries, err := readRegistries(n.s.one("private-registry"))
	if err != nil {
		return err
	}
	hosts := n.s.dir("agent", "etc", "containerd", "certs.d")
	if err := registries.writeHosts(hosts, n.s.on("disable-default-registry-endpoint")); err != nil {
		return err
	}
	config := n.s.dir("agent", "etc", "containerd", "config.toml")
	if err := writeFile(config, []byte(n.containerdConfig(hosts, registries)), 0600); err != nil {
		return err
	}
	if err := makeDirs(0711, containerdState); err != nil {
		return err
	}
	var env []string // k3s hands CONTAINERD_X=y on as X=y
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "CONTAINERD_") {
			env = append(env, strings.TrimPrefix(v, "CONTAINERD_"))
		}
	}
	if err := n.f.start("containerd", "/usr/bin/containerd", n.s.dir("agent", "containerd", "containerd.log"), env, "--config", config); err != nil {
		return err
	}
	if err := wait(ctx, "containerd", 2*time.Minute, func() error {
		conn, err := net.Dial("unix", containerdSocket)
		if err == nil {
			conn.Close()
		}
		return err
	}); err != nil {
		return err
	}
	images := newImageFolder(n.s.dir("agent", "images"))
	images.scan(ctx)
	go func() {
		for sleep(ctx, 5*time.Second) {
			images.scan(ctx)
		}
	}()
	return nil
}

func (n *node) containerdConfig(hosts string, r registries) string {
	const cri = `plugins."io.containerd.grpc.v1.cri"`
	var b strings.Builder
	line := func(format string, values ...interface{}) { fmt.Fprintf(&b, format+"\n", values...) }
	line("# written by k3s at every start")
	line("version = 2\nroot = %q\nstate = %q", n.s.dir("agent", "containerd"), containerdState)
	line("[grpc]\naddress = %q", containerdSocket)
	line("[%s]\nsandbox_image = %q\nenable_selinux = false\nrestrict_oom_score_adj = %v\nstream_server_address = \"127.0.0.1\"\nstream_server_port = \"10010\"",
		cri, n.s.one("pause-image"), !mayLowerOOMScore())
	line("[%s.containerd]\nsnapshotter = %q\ndisable_snapshot_annotations = true", cri, n.s.one("snapshotter"))
	line("[%s.cni]\nbin_dir = %q\nconf_dir = %q", cri, cniPlugins, n.s.dir("agent", "etc", "cni", "net.d"))
	line("[%s.registry]\nconfig_path = %q", cri, hosts)
	names := []string{}
	for host := range r.Configs {
		names = append(names, host)
	}
	sort.Strings(names)
	for _, host := range names {
		if a := r.Configs[host].Auth; a != nil {
			line("[%s.registry.configs.%q.auth]\nusername = %q\npassword = %q\nauth = %q\nidentitytoken = %q", cri, host, a.Username, a.Password, a.Auth, a.IdentityToken)
		}
	}
	return b.String()
}

// mayLowerOOMScore is whether this process has CAP_SYS_RESOURCE; without it runc must not ask for a lower score.
func mayLowerOOMScore() bool {
	const capSysResource = 24
	status, err := ioutil.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "CapEff:") {
			set, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(line, "CapEff:")), 16, 64)
			return err == nil && set&(1<<capSysResource) != 0
		}
	}
	return false
}
