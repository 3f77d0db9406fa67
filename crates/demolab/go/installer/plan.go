package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// plan is everything an installation will do, before it does anything.
type plan struct {
	EarlyCommands []command `json:"early_commands"`
	LateCommands  []command `json:"late_commands"`
	Packages      []string  `json:"packages"`
	Files         []file    `json:"files"`
	Menu          file      `json:"menu"` // GRUB's, written after everything else
	Shutdown      string    `json:"shutdown"`
	Notes         []string  `json:"notes"`
}

// file is written below the installed system's root.
type file struct {
	Path    string      `json:"path"`
	Mode    os.FileMode `json:"mode"`
	Content string      `json:"content"`
}

func (f file) write(root string) error {
	path := filepath.Join(root, f.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(path, []byte(f.Content), f.Mode)
}

const defaultNetwork = `{"version": 2, "ethernets": {"lan": {"match": {"name": "e*"}, "dhcp4": true}}}`

func makePlan(document []byte, c cmdline, instance string) (*plan, error) {
	a, err := parseDocument(document)
	if err != nil {
		return nil, err
	}
	p := &plan{EarlyCommands: a.EarlyCommands, LateCommands: a.LateCommands, Packages: a.Packages, Shutdown: "reboot"}
	if a.Shutdown != "" {
		p.Shutdown = a.Shutdown
	}
	for name, raw := range map[string]json.RawMessage{"drivers": a.Drivers, "kernel": a.Kernel, "snaps": a.Snaps,
		"debconf-selections": a.Debconf, "reporting": a.Reporting, "error-commands": a.ErrorCommands} {
		if !isEmpty(raw) {
			p.Notes = append(p.Notes, name+" is not followed by this stand-in")
		}
	}
	network, err := a.netplan()
	if err != nil {
		return nil, err
	}
	first, err := a.firstBoot(instance)
	if err != nil {
		return nil, err
	}
	p.Files = []file{
		{"/etc/fstab", 0o644, "LABEL=" + rootLabel + " / ext4 noatime,errors=remount-ro 0 1\n"},
		{"/etc/netplan/00-installer-config.yaml", 0o600, network},
		{"/etc/cloud/cloud.cfg.d/99-installer.cfg", 0o600, first},
		{"/etc/cloud/cloud.cfg.d/subiquity-disable-cloudinit-networking.cfg", 0o644, "network: {config: disabled}\n"},
		{"/etc/cloud/ds-identify.cfg", 0o644, "policy: enabled\n"},
	}
	p.Menu = file{"/boot/grub/grub.cfg", 0o644, grubConfig(c.installed)}
	if i := a.Identity; i != nil {
		p.Files = append(p.Files, file{"/etc/hostname", 0o644, i.Hostname + "\n"},
			file{"/etc/hosts", 0o644, "127.0.0.1 localhost\n127.0.1.1 " + i.Hostname + "\n\n::1 ip6-localhost ip6-loopback\n"})
	}
	if a.Locale != "" {
		p.Files = append(p.Files, file{"/etc/default/locale", 0o644, "LANG=" + a.Locale + "\n"})
	}
	return p, nil
}

func (a *autoinstall) netplan() (string, error) {
	raw := a.Network
	if isEmpty(raw) {
		raw = json.RawMessage(defaultNetwork)
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(raw, &head); err != nil || head.Version != 2 {
		return "", fmt.Errorf("autoinstall: network: version is %d, it must be 2", head.Version)
	}
	text, err := yaml.Marshal(map[string]json.RawMessage{"network": raw})
	return "# written by the installer\n" + string(text), err
}

// firstBoot is cloud-init's configuration of the installed system: its only data source is the document's user-data,
// on top of what identity, ssh and timezone ask for.
func (a *autoinstall) firstBoot(instance string) (string, error) {
	config := map[string]interface{}{"growpart": map[string]string{"mode": "off"}, "resize_rootfs": false}
	if i := a.Identity; i != nil {
		config["preserve_hostname"] = true
		user := map[string]interface{}{"name": i.Username, "gecos": i.Realname, "passwd": i.Password, "lock_passwd": false,
			"shell": "/bin/bash", "groups": []string{"adm", "cdrom", "dip", "plugdev", "sudo"}}
		if len(a.SSH.AuthorizedKeys) > 0 {
			user["ssh_authorized_keys"] = a.SSH.AuthorizedKeys
		}
		config["users"] = []interface{}{user}
	} else if len(a.SSH.AuthorizedKeys) > 0 {
		config["ssh_authorized_keys"] = a.SSH.AuthorizedKeys
	}
	if a.SSH.InstallServer {
		allow := len(a.SSH.AuthorizedKeys) == 0
		if a.SSH.AllowPassword != nil {
			allow = *a.SSH.AllowPassword
		}
		config["ssh_pwauth"] = allow
	}
	if a.Timezone != "" && a.Timezone != "geoip" {
		config["timezone"] = a.Timezone
	}
	if !isEmpty(a.UserData) {
		var own map[string]json.RawMessage
		if err := json.Unmarshal(a.UserData, &own); err != nil {
			return "", fmt.Errorf("autoinstall: user-data is not a mapping: %v", err)
		}
		for key, value := range own {
			config[key] = value
		}
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		return "", err
	}
	type source struct {
		Metadata map[string]string `json:"metadata"`
		UserData string            `json:"userdata_raw"`
	}
	none := source{map[string]string{"instance-id": instance}, "#cloud-config\n" + string(text)}
	out, err := yaml.Marshal(map[string]interface{}{"datasource_list": []string{"None"}, "datasource": map[string]source{"None": none}})
	return string(out), err
}

// grubConfig is the installed system's menu: one entry, started at once, with the arguments that followed --- .
func grubConfig(args []string) string {
	words, serial := []string{}, false
	for _, arg := range args {
		serial = serial || strings.HasPrefix(arg, "console=ttyS")
		words = append(words, grubWord(arg))
	}
	head := ""
	if serial {
		head = "serial --unit=0 --speed=115200\nterminal_input console serial\nterminal_output console serial\n"
	}
	return head + "set timeout=0\nmenuentry \"airlab demo node\" {\n" +
		strings.TrimRight("\tlinux\t/boot/vmlinuz root=LABEL="+rootLabel+" rw "+strings.Join(words, " "), " ") +
		"\n\tinitrd\t/boot/initrd.img\n}\n"
}

// grubWord quotes a word for GRUB's script language.
func grubWord(word string) string {
	if strings.ContainsAny(word, "\"'\\;$&|<>{}#*?[]~() \t") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}
