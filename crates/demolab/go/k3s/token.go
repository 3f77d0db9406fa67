package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io/ioutil"
	"os"
	"regexp"
	"strings"

	"k8s.io/client-go/util/cert"
)

// token is what a node shows to join: the full form carries the hash of the cluster's CA, the short form does not.
type token struct {
	caHash, user, password string
}

var fullToken = regexp.MustCompile(`^K10([0-9a-f]{64})::(.+)$`)

func parseToken(s string) (token, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return token{}, fmt.Errorf("token must not be empty")
	}
	found := fullToken.FindStringSubmatch(s)
	if found == nil {
		if strings.HasPrefix(s, "K10") && strings.Contains(s, "::") {
			return token{}, fmt.Errorf("invalid token CA hash length")
		}
		return token{password: s}, nil
	}
	parts := strings.SplitN(found[2], ":", 2)
	if len(parts) != 2 {
		return token{}, fmt.Errorf("invalid token format")
	}
	return token{found[1], parts[0], parts[1]}, nil
}

func (t token) String() string { return "K10" + t.caHash + "::" + t.user + ":" + t.password }

// caHash is k3s's: over the file when it is one certificate, over the root of the first one's chain otherwise.
func caHash(bundle []byte) (string, error) {
	chain, err := cert.ParseCertsPEM(bundle)
	if err != nil {
		return "", err
	}
	if len(chain) == 1 {
		return hexSum(bundle), nil
	}
	return hexSum(rootOf(chain).Raw), nil
}

func rootOf(chain []*x509.Certificate) *x509.Certificate {
	at := chain[0]
	for range chain {
		for _, up := range chain {
			if up != at && bytes.Equal(at.RawIssuer, up.RawSubject) {
				at = up
				break
			}
		}
	}
	return at
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func randomHex(n int) string {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic(err) // no randomness: nothing here may go on
	}
	return hex.EncodeToString(b)
}

// configuredToken reads KEY or the file named by KEY-file.
func (s settings) configuredToken(key string) (string, error) {
	if v := s.one(key); v != "" {
		return v, nil
	}
	path := s.one(key + "-file")
	if path == "" {
		return "", nil
	}
	content, err := ioutil.ReadFile(path)
	return strings.TrimSpace(string(content)), err
}

// serverTokens settles the two passwords of a cluster and writes token, node-token and agent-token.
func serverTokens(s settings, ca *authority) (forServers, forAgents token, err error) {
	hash, err := caHash(ca.pem)
	if err != nil {
		return
	}
	settle := func(key, user, kept string) (token, error) {
		given, err := s.configuredToken(key)
		if err != nil || given == "" {
			return token{hash, user, kept}, err
		}
		t, err := parseToken(given)
		if err == nil && t.caHash != "" && t.caHash != hash {
			err = fmt.Errorf("%s: its CA hash %s does not match the Cluster CA certificate hash: %s", key, t.caHash, hash)
		}
		return token{hash, user, t.password}, err
	}
	path := s.dir("server", "token")
	old := token{password: randomHex(16)}
	content, missing := ioutil.ReadFile(path)
	if missing == nil {
		if old, err = parseToken(string(content)); err != nil {
			return forServers, forAgents, fmt.Errorf("%s: %v", path, err)
		}
	}
	if forServers, err = settle("token", "server", old.password); err != nil {
		return
	}
	if missing == nil && (forServers.password != old.password || forServers.caHash != old.caHash) {
		err = fmt.Errorf("bootstrap data already found and encrypted with different token (%s is of another cluster than the configured token or server-ca.crt)", path)
		return
	}
	if forAgents, err = settle("agent-token", "node", forServers.password); err != nil {
		return
	}
	if err = writeFile(path, []byte(forServers.String()+"\n"), 0600); err != nil {
		return
	}
	if err = link("token", s.dir("server", "node-token")); err != nil {
		return
	}
	if forAgents.password == forServers.password {
		err = link("token", s.dir("server", "agent-token"))
		return
	}
	os.Remove(s.dir("server", "agent-token"))
	err = writeFile(s.dir("server", "agent-token"), []byte(forAgents.String()+"\n"), 0600)
	return
}

func link(target, path string) error {
	os.Remove(path)
	return os.Symlink(target, path)
}

// runToken is the verb "token".
func runToken(args []string) error {
	if len(args) == 1 && args[0] == "generate" {
		fmt.Printf("%s.%s\n", randomHex(3), randomHex(8))
		return nil
	}
	if len(args) >= 1 && args[0] == "show" {
		s, err := loadSettings(server, args[1:])
		if err != nil {
			return err
		}
		content, err := ioutil.ReadFile(s.dir("server", "token"))
		fmt.Print(string(content))
		return err
	}
	return fmt.Errorf("usage: k3s token generate|show (the stand-in has no create, delete, list, rotate)")
}
