package main

import (
	"fmt"
	"io/ioutil"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

// registries is registries.yaml.
type registries struct {
	Mirrors map[string]mirror       `json:"mirrors"`
	Configs map[string]registryHost `json:"configs"`
}

type mirror struct {
	Endpoint []string          `json:"endpoint"`
	Rewrite  map[string]string `json:"rewrite"`
}

type registryHost struct {
	Auth *registryAuth `json:"auth"`
	TLS  *registryTLS  `json:"tls"`
}

type registryAuth struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identity_token"`
}

type registryTLS struct {
	CAFile   string `json:"ca_file"`
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
	Insecure bool   `json:"insecure_skip_verify"`
}

func readRegistries(path string) (registries, error) {
	var r registries
	content, err := ioutil.ReadFile(path)
	if os.IsNotExist(err) {
		return r, nil
	}
	if err == nil {
		err = yaml.Unmarshal(content, &r)
	}
	if err != nil {
		return r, fmt.Errorf("%s: %v", path, err)
	}
	return r, nil
}

// writeHosts renders one hosts.toml per registry into a folder that is ours alone and starts empty.
func (r registries) writeHosts(dir string, noDefault bool) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	names := map[string]bool{}
	for name := range r.Mirrors {
		names[name] = true
	}
	for name := range r.Configs {
		names[name] = true
	}
	for name := range names {
		if name != "*" && !strings.ContainsAny(name, ".:") && name != "localhost" {
			logf("warning", "registries.yaml: %q is no registry's name (no dot, no colon): no image is ever looked up there", name)
		}
		content, err := r.hosts(name, noDefault)
		if err != nil {
			return err
		}
		folder := name
		if name == "*" {
			folder = "_default"
		}
		if err := writeFile(filepath.Join(dir, folder, "hosts.toml"), []byte(content), 0600); err != nil {
			return err
		}
	}
	return nil
}

// hosts is one hosts.toml. Where the default endpoint is off, the last mirror stands in its place.
func (r registries) hosts(name string, noDefault bool) (string, error) {
	m := r.Mirrors[name]
	if len(m.Rewrite) > 0 {
		logf("warning", "stand-in for k3s: registries.yaml: rewrite of %q: not supported; ignored", name)
	}
	var endpoints []endpoint
	seen := map[string]bool{}
	for _, given := range m.Endpoint {
		e, err := parseEndpoint(given)
		if err != nil {
			return "", fmt.Errorf("registries.yaml: mirrors.%s: %v", name, err)
		}
		if seen[e.url] {
			logf("warning", "registries.yaml: duplicate endpoint %s of %q skipped", e.url, name)
			continue
		}
		seen[e.url] = true
		endpoints = append(endpoints, e)
	}
	var b strings.Builder
	b.WriteString("# written by k3s from registries.yaml\n")
	_, ownConfig := r.Configs[name]
	switch last := len(endpoints) - 1; {
	case noDefault && last >= 0 && !ownConfig:
		fmt.Fprintf(&b, "server = %q\n", endpoints[last].url)
		b.WriteString(r.properties(endpoints[last]))
		endpoints = endpoints[:last]
	case name != "*":
		e, err := parseEndpoint(upstream(name))
		if err != nil {
			return "", fmt.Errorf("registries.yaml: %s: %v", name, err)
		}
		fmt.Fprintf(&b, "server = %q\n", e.url)
		b.WriteString(r.properties(e))
	}
	b.WriteString("[host]\n") // containerd 1.6 throws a file without it away
	for _, e := range endpoints {
		fmt.Fprintf(&b, "[host.%q]\n%s", e.url, r.properties(e))
	}
	return b.String(), nil
}

func upstream(name string) string {
	if name == "docker.io" {
		return "registry-1.docker.io"
	}
	return name
}

// endpoint is a registry's address as containerd wants it.
type endpoint struct {
	url, host    string
	overridePath bool
}

func parseEndpoint(given string) (endpoint, error) {
	if !strings.Contains(given, "://") {
		scheme := "https://"
		if host := strings.SplitN(given, ":", 2); host[0] == "localhost" || host[0] == "127.0.0.1" {
			if len(host) == 2 && !strings.HasPrefix(host[1], "443") {
				scheme = "http://"
			}
		}
		given = scheme + given
	}
	u, err := url.Parse(given)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return endpoint{}, fmt.Errorf("endpoint %q is no http(s) address", given)
	}
	e := endpoint{host: u.Host}
	switch strings.TrimRight(u.Path, "/") {
	case "", "/v2":
		u.Path = "/v2"
	default:
		e.overridePath = true
	}
	e.url = u.String()
	return e, nil
}

// properties are the lines of one host: what it can do, and how to trust it, looked up by its host:port.
func (r registries) properties(e endpoint) string {
	var b strings.Builder
	b.WriteString("capabilities = [\"pull\", \"resolve\"]\n")
	if e.overridePath {
		b.WriteString("override_path = true\n")
	}
	tls := r.Configs[e.host].TLS
	if tls == nil {
		return b.String()
	}
	if tls.CAFile != "" {
		fmt.Fprintf(&b, "ca = [%q]\n", tls.CAFile)
	}
	if tls.CertFile != "" || tls.KeyFile != "" {
		fmt.Fprintf(&b, "client = [[%q, %q]]\n", tls.CertFile, tls.KeyFile)
	}
	if tls.Insecure {
		b.WriteString("skip_verify = true\n")
	}
	return b.String()
}

// sortedFiles are the files under a folder in name order.
func sortedFiles(dir string) []string {
	var files []string
	filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			files = append(files, path)
		}
		return nil
	})
	sort.Strings(files)
	return files
}
