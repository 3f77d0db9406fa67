package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

type object = map[string]interface{}

// api is the cluster's API as the pod's service account may use it.
type api struct {
	url    string
	client *http.Client
}

const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

func inCluster() (*api, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" {
		return nil, fmt.Errorf("not in a pod: no KUBERNETES_SERVICE_HOST")
	}
	ca, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("no certificate in %sca.crt", account)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 4}
	return &api{"https://" + net.JoinHostPort(host, port), &http.Client{Transport: transport, Timeout: 10 * time.Second}}, nil
}

// refused is a no of the API.
type refused struct {
	code int
	text string
}

func (r refused) Error() string { return fmt.Sprintf("the API answers %d: %s", r.code, r.text) }

func notFound(err error) bool {
	r, ok := err.(refused)
	return ok && r.code == http.StatusNotFound
}

func (a *api) call(method, path, kind string, body interface{}) (object, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, a.url+path, reader)
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Content-Type", kind)
	answer, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	var read object
	err = json.Unmarshal(text, &read)
	if answer.StatusCode >= 300 {
		return nil, refused{answer.StatusCode, field(read, "message")}
	}
	return read, err
}

func (a *api) get(path string) (object, error) {
	return a.call("GET", path, "application/json", nil)
}

func (a *api) create(path string, body object) (object, error) {
	return a.call("POST", path, "application/json", body)
}

func (a *api) merge(path string, body object) (object, error) {
	return a.call("PATCH", path, "application/merge-patch+json", body)
}

func (a *api) remove(path string) error {
	_, err := a.call("DELETE", path+"?propagationPolicy=Background", "application/json", nil)
	if notFound(err) {
		return nil
	}
	return err
}

func (a *api) list(path string) ([]object, error) {
	all, err := a.get(path)
	if err != nil {
		return nil, err
	}
	var found []object
	items, _ := all["items"].([]interface{})
	for _, item := range items {
		if o, ok := item.(object); ok {
			found = append(found, o)
		}
	}
	return found, nil
}

// under is the value at a path of keys.
func under(o object, path ...string) interface{} {
	var value interface{} = o
	for _, key := range path {
		inner, _ := value.(object)
		value = inner[key]
	}
	return value
}

// field is the text at a path of keys; empty where there is none.
func field(o object, path ...string) string {
	text, _ := under(o, path...).(string)
	return text
}

func texts(value interface{}) []string {
	items, _ := value.([]interface{})
	var all []string
	for _, item := range items {
		if text, ok := item.(string); ok {
			all = append(all, text)
		}
	}
	return all
}
