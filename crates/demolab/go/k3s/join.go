package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"io/ioutil"
	"math/rand"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/client-go/util/cert"
)

// membership is a node's connection to its cluster's supervisor, trusted by the token's CA hash.
type membership struct {
	url    string
	user   string // "node", or "server" where servers talk
	token  token
	ca     []byte
	client *http.Client
	header http.Header
}

// join asks for ever, in k3s's words, until the server knows this node; do is what is to be done with the connection.
func join(ctx context.Context, server string, t token, header http.Header, do func(*membership) error) error {
	return joinAs(ctx, "node", server, t, header, do) // k3s's agents are always "node"
}

// fatal is an error that asking again does not mend.
type fatal struct{ error }

func joinAs(ctx context.Context, user, server string, t token, header http.Header, do func(*membership) error) error {
	if u, err := url.Parse(server); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("server %q: an https:// address is expected", server)
	}
	if t.caHash == "" {
		logf("warning", "Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. "+
			"Use the full token from the server's node-token file to enable Cluster CA validation.")
	}
	last, told := "", time.Time{}
	for {
		m := &membership{url: strings.TrimRight(server, "/"), user: user, token: t, header: header}
		err := m.trust(ctx)
		if err == nil {
			err = do(m)
		}
		if err == nil {
			return nil
		}
		if end, ok := err.(fatal); ok {
			return end.error
		}
		if err.Error() != last || time.Since(told) > 10*time.Second {
			last, told = err.Error(), time.Now()
			logf("error", "Waiting to retrieve agent configuration; server is not ready: %v", err)
		}
		if !sleep(ctx, time.Second+time.Duration(rand.Intn(500))*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// trust fetches the cluster's CA, compares it with the token, and from then on believes only that CA.
func (m *membership) trust(ctx context.Context) error {
	m.client = clientTrusting(&tls.Config{InsecureSkipVerify: true}) // for /cacerts alone, which the hash vouches for
	bundle, err := m.ask(ctx, http.MethodGet, "/cacerts", nil)
	if err != nil {
		return fmt.Errorf("failed to get CA certs: %v", err)
	}
	hash, err := caHash(bundle)
	if err != nil {
		return fmt.Errorf("failed to get CA certs: %v", err)
	}
	if m.token.caHash != "" && m.token.caHash != hash {
		return fmt.Errorf("token CA hash does not match the Cluster CA certificate hash: %s != %s", m.token.caHash, hash)
	}
	chain, err := cert.ParseCertsPEM(bundle)
	if err != nil {
		return err
	}
	if now := time.Now(); now.Before(chain[0].NotBefore) {
		return fmt.Errorf("clock %s is before the NotBefore %s of the cluster's CA: set the clock first", stamp(now), stamp(chain[0].NotBefore))
	}
	roots, err := cert.NewPoolFromBytes(bundle)
	if err != nil {
		return err
	}
	m.ca, m.client = bundle, clientTrusting(&tls.Config{RootCAs: roots})
	return nil
}

func clientTrusting(config *tls.Config) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
}

// ask sends one request; the token goes along once the CA is trusted.
func (m *membership) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, m.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if m.ca != nil {
		if m.header != nil {
			request.Header = m.header.Clone()
		}
		request.SetBasicAuth(m.user, m.token.password)
	}
	answer, err := m.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	content, err := ioutil.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	switch {
	case answer.StatusCode == http.StatusOK:
		return content, nil
	case answer.StatusCode == http.StatusForbidden:
		return nil, fmt.Errorf("%s", strings.TrimSpace(string(content)))
	default:
		return nil, fmt.Errorf("%s: %s: %s", m.url+path, answer.Status, strings.TrimSpace(string(content)))
	}
}

// facts are the cluster's settings.
func (m *membership) facts(ctx context.Context) (clusterFacts, error) {
	var facts clusterFacts
	content, err := m.ask(ctx, http.MethodGet, "/v1-k3s/config", nil)
	if err == nil {
		err = json.Unmarshal(content, &facts)
	}
	return facts, err
}

// identity has the key at path.key certified as path.crt; the key stays here.
func (m *membership) identity(ctx context.Context, name, path string) error {
	key, err := ensureKey(path + ".key")
	if err != nil {
		return err
	}
	request, err := cert.MakeCSR(key, &pkix.Name{}, nil, nil)
	if err != nil {
		return err
	}
	signed, err := m.ask(ctx, http.MethodPost, "/v1-k3s/"+name+".crt", request)
	if err != nil {
		return err
	}
	return writeFile(path+".crt", signed, 0644)
}

// fetch stores one of the cluster's public files.
func (m *membership) fetch(ctx context.Context, name, path string) error {
	content, err := m.ask(ctx, http.MethodGet, "/v1-k3s/"+name, nil)
	if err != nil {
		return err
	}
	return writeFile(path, content, 0644)
}
