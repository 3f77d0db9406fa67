// Command k3s is airlab's stand-in for k3s: real Kubernetes 1.20.2 in one binary, as k3s is, under a small skin with
// k3s's verbs, files, ports and configuration keys. It is a stand-in for k3s, not for Kubernetes.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// The release whose place this program takes; set by the linker.
var standsFor = "v0.0.0"

const versionText = `k3s version %s (airlab's stand-in for it, on Kubernetes v1.20.2)
differs from k3s: the API is Kubernetes 1.20; a DNS server of airlab's in place of CoreDNS; no traefik, servicelb,
local-storage, metrics-server, network policy or embedded registry; etcd in place of sqlite; flannel host-gw only.
`

const usageText = `usage: k3s server|agent|kubectl|ctr|etcd-snapshot|certificate|token|check-config [flags]
       k3s --version
`

func main() {
	rand.Seed(time.Now().UnixNano())
	name := filepath.Base(os.Args[0])
	if run, ok := programs[name]; ok { // a child of ours, or called through a symlink
		run()
		return
	}
	if name == "ctr" {
		report(execCtr(os.Args[1:]))
	}
	if len(os.Args) < 2 {
		fmt.Print(usageText)
		return
	}
	args := os.Args[2:]
	switch verb := os.Args[1]; verb {
	case "server":
		report(runServer(args))
	case "agent":
		report(runAgent(args))
	case "kubectl":
		os.Args = os.Args[1:]
		programs["kubectl"]()
	case "ctr":
		report(execCtr(args))
	case "etcd-snapshot":
		report(runSnapshot(args))
	case "certificate":
		report(runCertificate(args))
	case "token":
		report(runToken(args))
	case "check-config":
		report(runCheckConfig())
	case "--version", "-v", "version":
		fmt.Printf(versionText+"go version %s\n", standsFor, runtime.Version())
	case "--help", "-h", "help":
		fmt.Print(usageText)
	default:
		fmt.Fprintf(os.Stderr, "No help topic for '%s'\n%s", verb, usageText)
		os.Exit(3)
	}
}

// report ends the program with an error's text, if there is one.
func report(err error) {
	if err != nil {
		logf("fatal", "%v", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// logf writes one line the way k3s does.
func logf(level, format string, values ...interface{}) {
	text := strings.TrimRight(fmt.Sprintf(format, values...), "\n")
	fmt.Fprintf(os.Stderr, "time=%q level=%s msg=%q\n", time.Now().UTC().Format(time.RFC3339), level, text)
}

// execCtr becomes containerd's ctr, aimed at k3s's containerd.
func execCtr(args []string) error {
	path, err := exec.LookPath("/usr/bin/ctr")
	if err != nil {
		return err
	}
	os.Setenv("CONTAINERD_ADDRESS", containerdSocket)
	if os.Getenv("CONTAINERD_NAMESPACE") == "" {
		os.Setenv("CONTAINERD_NAMESPACE", "k8s.io")
	}
	return syscall.Exec(path, append([]string{"ctr"}, args...), os.Environ())
}
