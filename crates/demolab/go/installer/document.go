package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// autoinstall is the section of that name, as far as this installer follows it. A key that is not listed is an error;
// a key whose value is raw is either handed on as it is or only noted.
type autoinstall struct {
	Version       int             `json:"version"`
	EarlyCommands []command       `json:"early-commands"`
	LateCommands  []command       `json:"late-commands"`
	ErrorCommands json.RawMessage `json:"error-commands"`
	Interactive   []string        `json:"interactive-sections"`
	Identity      *identity       `json:"identity"`
	SSH           ssh             `json:"ssh"`
	Network       json.RawMessage `json:"network"`
	Storage       storage         `json:"storage"`
	UserData      json.RawMessage `json:"user-data"`
	Packages      []string        `json:"packages"`
	Timezone      string          `json:"timezone"`
	Locale        string          `json:"locale"`
	Shutdown      string          `json:"shutdown"`
	Keyboard      json.RawMessage `json:"keyboard"`
	Apt           json.RawMessage `json:"apt"`
	Refresh       json.RawMessage `json:"refresh-installer"`
	Updates       json.RawMessage `json:"updates"`
	Kernel        json.RawMessage `json:"kernel"`
	Drivers       json.RawMessage `json:"drivers"`
	Codecs        json.RawMessage `json:"codecs"`
	Source        json.RawMessage `json:"source"`
	Proxy         json.RawMessage `json:"proxy"`
	Snaps         json.RawMessage `json:"snaps"`
	Debconf       json.RawMessage `json:"debconf-selections"`
	Reporting     json.RawMessage `json:"reporting"`
}

type identity struct {
	Hostname string `json:"hostname"`
	Username string `json:"username"`
	Password string `json:"password"`
	Realname string `json:"realname"`
}

type ssh struct {
	InstallServer  bool     `json:"install-server"`
	AuthorizedKeys []string `json:"authorized-keys"`
	AllowPassword  *bool    `json:"allow-pw"`
}

type storage struct {
	Layout *layout          `json:"layout"`
	Config *json.RawMessage `json:"config"`
	Swap   *struct {
		Size json.RawMessage `json:"size"`
	} `json:"swap"`
	Grub json.RawMessage `json:"grub"`
}

type layout struct {
	Name     string          `json:"name"`
	Match    json.RawMessage `json:"match"`
	Sizing   string          `json:"sizing-policy"`
	Reset    json.RawMessage `json:"reset-partition"`
	Password *string         `json:"password"`
	Mode     string          `json:"mode"`
}

// command is a line for sh, or a program with its arguments.
type command []string

func (c *command) UnmarshalJSON(raw []byte) error {
	var line string
	if json.Unmarshal(raw, &line) == nil {
		*c = command{"sh", "-c", line}
		return nil
	}
	var argv []string
	if err := json.Unmarshal(raw, &argv); err != nil || len(argv) == 0 {
		return fmt.Errorf("a command is a string or a list of strings, not %s", raw)
	}
	*c = argv
	return nil
}

// parseDocument reads a NoCloud user-data file down to its autoinstall section.
func parseDocument(text []byte) (*autoinstall, error) {
	if !bytes.HasPrefix(text, []byte("#cloud-config")) {
		return nil, fmt.Errorf("user-data does not begin with #cloud-config")
	}
	raw, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, fmt.Errorf("user-data: %v", err)
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(raw, &top); err != nil {
		return nil, fmt.Errorf("user-data is not a mapping: %v", err)
	}
	section, ok := top["autoinstall"]
	if !ok {
		return nil, fmt.Errorf("user-data has no section autoinstall")
	}
	var a autoinstall
	decoder := json.NewDecoder(bytes.NewReader(section))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil {
		return nil, fmt.Errorf("autoinstall: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return &a, a.check()
}

// check refuses what this installer can't do as the real one would.
func (a *autoinstall) check() error {
	if a.Version != 1 {
		return fmt.Errorf("autoinstall: version is %d, it must be 1", a.Version)
	}
	if len(a.Interactive) > 0 {
		return fmt.Errorf("autoinstall: interactive-sections: this stand-in never asks")
	}
	if a.Identity == nil && isEmpty(a.UserData) {
		return fmt.Errorf("autoinstall: identity is required where user-data is missing")
	}
	if i := a.Identity; i != nil && (i.Hostname == "" || i.Username == "" || i.Password == "") {
		return fmt.Errorf("autoinstall: identity needs hostname, username and password")
	}
	if l := a.Storage.Layout; l != nil && (l.Name != "direct" || l.Password != nil) {
		return fmt.Errorf("autoinstall: storage layout %q: this stand-in knows only direct", l.Name)
	}
	if a.Storage.Config != nil {
		return fmt.Errorf("autoinstall: storage config: this stand-in knows only the layout direct")
	}
	if s := a.Storage.Swap; s != nil && string(s.Size) != "0" {
		return fmt.Errorf("autoinstall: storage swap size %s: this stand-in makes no swap", s.Size)
	}
	switch a.Shutdown {
	case "", "reboot", "poweroff":
	default:
		return fmt.Errorf("autoinstall: shutdown is %q, it must be reboot or poweroff", a.Shutdown)
	}
	return nil
}

func isEmpty(raw json.RawMessage) bool {
	return len(raw) == 0 || string(raw) == "null" || string(raw) == "{}"
}
