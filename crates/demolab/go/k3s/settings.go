package main

import (
	"fmt"
	"io/ioutil"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

const defaultKubeconfig = "/etc/rancher/k3s/k3s.yaml"

// settings are all configured values by key. Later sources come after earlier ones.
type settings map[string][]string

// one is the last value of a key.
func (s settings) one(key string) string {
	if v := s[key]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

func (s settings) on(key string) bool {
	on, _ := strconv.ParseBool(s.one(key))
	return on
}

// dir is a path under the data folder.
func (s settings) dir(parts ...string) string {
	return filepath.Join(append([]string{s.one("data-dir")}, parts...)...)
}

// loadSettings reads, weakest first: defaults, environment, config.yaml, config.yaml.d, flags.
func loadSettings(who role, args []string) (settings, error) {
	flags, err := parseFlags(who, args)
	if err != nil {
		return nil, err
	}
	s := settings{}
	for key, o := range knownOptions {
		if o.standard != "" {
			s[key] = []string{o.standard}
		}
		if v := os.Getenv(o.env); o.env != "" && v != "" {
			s[key] = o.values(v)
		}
	}
	if v := flags.one("config"); v != "" {
		s["config"] = []string{v}
	}
	fromFiles, err := readConfigFiles(s.one("config"))
	if err != nil {
		return nil, err
	}
	for key, v := range fromFiles {
		o, known := knownOptions[key]
		if !known || o.role&who == 0 {
			if who == agent { // k3s hands unknown keys of an agent's file on to its flags, which refuse them
				return nil, fmt.Errorf("flag provided but not defined: -%s (in %s)", key, s.one("config"))
			}
			logf("warning", "Unknown flag --%s found in config.yaml, skipping", key)
			continue
		}
		s[key] = nil
		for _, one := range v {
			s[key] = append(s[key], o.values(one)...)
		}
	}
	for key, v := range flags {
		if shape := knownOptions[key].shape; shape == words || shape == list {
			s[key] = append(s[key], v...)
		} else {
			s[key] = v
		}
	}
	if abs, err := filepath.Abs(s.one("data-dir")); err == nil {
		s["data-dir"] = []string{abs}
	}
	return s, nil
}

// warn says, one line each, what is configured and not honoured.
func (s settings) warn() {
	for _, key := range sortedKeys(s) {
		o, v := knownOptions[key], s.one(key)
		if o.cannot != "" && v != o.standard && v != "false" {
			logf("warning", "stand-in for k3s: %s: %s", key, o.cannot)
		}
	}
	if backend := s.one("flannel-backend"); backend != "host-gw" && backend != "none" {
		logf("warning", "stand-in for k3s: flannel-backend: only host-gw exists, it takes the place of %s", backend)
	}
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

func (o option) values(v string) []string {
	if o.shape != words {
		return []string{v}
	}
	var out []string
	for _, word := range strings.Split(v, ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return out
}

// parseFlags reads --key value, --key=value and bare --toggle, with one or two dashes.
func parseFlags(who role, args []string) (settings, error) {
	s := settings{}
	short := map[string]string{"c": "config", "d": "data-dir", "t": "token", "s": "server", "o": "write-kubeconfig"}
	for i := 0; i < len(args); i++ {
		name := strings.TrimLeft(args[i], "-")
		if name == args[i] || name == "" {
			return nil, fmt.Errorf("unexpected argument %q", args[i])
		}
		value, given := "", false
		if cut := strings.IndexByte(name, '='); cut >= 0 {
			name, value, given = name[:cut], name[cut+1:], true
		}
		if long, ok := short[name]; ok {
			name = long
		}
		o, known := knownOptions[name]
		if !known || o.role&who == 0 {
			return nil, fmt.Errorf("flag provided but not defined: -%s", name)
		}
		if !given {
			if o.shape == toggle {
				value = "true"
			} else if i++; i < len(args) {
				value = args[i]
			} else {
				return nil, fmt.Errorf("flag needs an argument: -%s", name)
			}
		}
		s[name] = append(s[name], o.values(value)...)
	}
	return s, nil
}

// readConfigFiles reads the file and then the drop-ins beside it in name order; "key+" appends.
func readConfigFiles(main string) (settings, error) {
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, err := filepath.Glob(filepath.Join(main+".d", pattern))
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	sort.Strings(files)
	if _, err := os.Stat(main); err == nil {
		files = append([]string{main}, files...)
	}
	s := settings{}
	for _, path := range files {
		bytes, err := ioutil.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var document map[string]interface{}
		if err := yaml.Unmarshal(bytes, &document); err != nil {
			return nil, fmt.Errorf("%s: %v", path, err)
		}
		for key, value := range document {
			var values []string
			if many, ok := value.([]interface{}); ok {
				for _, one := range many {
					values = append(values, scalar(one))
				}
			} else if value != nil {
				values = []string{scalar(value)}
			}
			if name := strings.TrimSuffix(key, "+"); name != key {
				s[name] = append(s[name], values...)
			} else {
				s[name] = values
			}
		}
	}
	return s, nil
}

// scalar is a YAML value as a flag would carry it: numbers have no exponent.
func scalar(v interface{}) string {
	if n, ok := v.(float64); ok {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
