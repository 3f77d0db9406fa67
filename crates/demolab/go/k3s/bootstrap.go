package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/ioutil"
	"net/http"
	"os"
	"path/filepath"
)

// shared are the files that make servers one cluster, under server/: a joining server gets those it does not have.
var shared = map[string]os.FileMode{
	"tls/server-ca.crt": 0644, "tls/server-ca.key": 0600, "tls/client-ca.crt": 0644, "tls/client-ca.key": 0600,
	"tls/request-header-ca.crt": 0644, "tls/request-header-ca.key": 0600, "tls/etcd/server-ca.crt": 0644, "tls/etcd/server-ca.key": 0600,
	"tls/etcd/peer-ca.crt": 0644, "tls/etcd/peer-ca.key": 0600, "tls/service.key": 0600, "cred/encryption-config.json": 0600,
}

// sharedFiles reads what this server has of them.
func sharedFiles(dataDir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for name := range shared {
		content, err := ioutil.ReadFile(filepath.Join(dataDir, "server", name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = content
	}
	return files, nil
}

// bootstrap makes this server one of the cluster it is to join: the same authorities, keys and settings.
func bootstrap(ctx context.Context, s settings, t token) error {
	return joinAs(ctx, "server", s.one("server"), t, nil, func(m *membership) error {
		facts, err := m.facts(ctx)
		if err != nil {
			return err
		}
		if own := s.facts(); own != facts {
			return fatal{fmt.Errorf("critical configuration value mismatch between servers: here %+v, at %s %+v", own, m.url, facts)}
		}
		content, err := m.ask(ctx, http.MethodGet, "/v1-k3s/server-bootstrap", nil)
		if err != nil {
			return err
		}
		var files map[string][]byte
		if err := json.Unmarshal(content, &files); err != nil {
			return err
		}
		for name, content := range files {
			mode, known := shared[name]
			if !known {
				return fatal{fmt.Errorf("server-bootstrap: unexpected file %q", name)}
			}
			path := s.dir("server", name)
			old, err := ioutil.ReadFile(path)
			if err == nil && !bytes.Equal(old, content) {
				return fatal{fmt.Errorf("%s is not the one of the cluster at %s: remove it, or join the cluster it belongs to", path, m.url)}
			}
			if err == nil {
				continue
			}
			if err := writeFile(path, content, mode); err != nil {
				return err
			}
		}
		return nil
	})
}

// facts are what all servers of a cluster must agree on.
func (s settings) facts() clusterFacts {
	return clusterFacts{s.one("cluster-cidr"), s.one("service-cidr"), s.one("cluster-dns"), s.one("cluster-domain"), s.one("flannel-backend")}
}
