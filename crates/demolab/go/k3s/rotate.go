package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/util/cert"
)

// runCertificate is `k3s certificate rotate`: with k3s stopped, its certificates and their keys go, and the next start
// makes new ones. The authorities stay.
func runCertificate(args []string) error {
	if len(args) == 0 || args[0] != "rotate" {
		return fmt.Errorf("usage: k3s certificate rotate (the stand-in has no check, rotate-ca)")
	}
	s, err := loadSettings(server, args[1:])
	if err != nil {
		return err
	}
	for _, dir := range []string{s.dir("server", "tls"), s.dir("server", "tls", "etcd"), s.dir("agent")} {
		found, err := filepath.Glob(filepath.Join(dir, "*.crt"))
		if err != nil {
			return err
		}
		for _, path := range found {
			if chain, err := cert.CertsFromFile(path); err != nil || chain[0].IsCA {
				continue
			}
			for _, gone := range []string{path, strings.TrimSuffix(path, ".crt") + ".key"} {
				if err := os.Remove(gone); err != nil && !os.IsNotExist(err) {
					return err
				}
			}
		}
	}
	logf("info", "Successfully rotated certificates, please restart k3s to generate new ones")
	return nil
}
