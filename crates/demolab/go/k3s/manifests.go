package main

import (
	"bytes"
	"context"
	"io/ioutil"
	"os"
	"os/exec"
	"strings"
	"time"
)

// annotationRoom is below Kubernetes' limit of 262,144 bytes for all annotations of an object.
const annotationRoom = 200000

// keepManifests applies server/manifests: every two seconds in the first half minute, then every 15.
func keepManifests(ctx context.Context, s settings) {
	applied := map[string]string{}
	begin, pause := time.Now(), 2*time.Second
	for {
		for _, path := range sortedFiles(s.dir("server", "manifests")) {
			if !strings.HasSuffix(path, ".yaml") && !strings.HasSuffix(path, ".yml") && !strings.HasSuffix(path, ".json") {
				continue
			}
			if _, err := os.Stat(path + ".skip"); err == nil {
				continue
			}
			content, err := ioutil.ReadFile(path)
			if err != nil || applied[path] == hexSum(content) {
				continue
			}
			if out, err := applyManifest(ctx, s, path, len(content)); err != nil {
				logf("error", "Failed to process config: failed to process %s: %v: %s", path, err, out)
				continue // looked at again in the next round: what it needs may come later
			}
			applied[path] = hexSum(content)
			logf("info", "Applied manifest %s", path)
		}
		if time.Since(begin) > 30*time.Second {
			pause = 15 * time.Second
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// applyManifest is apply by the kubectl inside this binary: on the client's side, as in k3s, because Kubernetes 1.20's
// server side refuses ports without a protocol; on the server's where the annotation that the client keeps has no room.
func applyManifest(ctx context.Context, s settings, path string, size int) (string, error) {
	args := []string{"apply", "-f", path}
	if size > annotationRoom {
		args = append(args, "--server-side", "--force-conflicts", "--field-manager=deploy@k3s")
	}
	return runKubectl(ctx, s, args...)
}

// runKubectl runs the one inside this binary as the administrator.
func runKubectl(ctx context.Context, s settings, args ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	command := exec.CommandContext(limited, self, append([]string{"kubectl", "--kubeconfig", s.dir("server", "cred", "admin.kubeconfig")}, args...)...)
	command.Env = childEnv()
	out, err := command.CombinedOutput()
	return string(bytes.TrimSpace(out)), err
}
