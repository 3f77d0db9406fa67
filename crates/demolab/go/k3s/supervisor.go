package main

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"io/ioutil"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
)

// supervisorEnv names the file from which the API server's process learns to be the supervisor too.
const supervisorEnv = "AIRLAB_SUPERVISOR"

type supervisorConfig struct {
	DataDir, ServerPassword, AgentPassword string
	Embedded                               bool // etcd that others can join
	Facts                                  clusterFacts
}

// supervisor answers k3s's own paths on the API server's port: what a node needs before it has an identity.
type supervisor struct {
	supervisorConfig
	cas    authorities
	client kubernetes.Interface
	mux    *http.ServeMux
}

func newSupervisor(path string) (*supervisor, error) {
	s := &supervisor{mux: http.NewServeMux()}
	bytes, err := ioutil.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(bytes, &s.supervisorConfig)
	}
	if err != nil {
		return nil, err
	}
	if s.cas, err = openAuthorities(filepath.Join(s.DataDir, "server", "tls")); err != nil {
		return nil, err
	}
	if s.client, err = clientFrom(filepath.Join(s.DataDir, "server", "cred", "supervisor.kubeconfig")); err != nil {
		return nil, err
	}
	s.mux.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "pong") })
	s.mux.Handle("/static/", http.StripPrefix("/static/", http.FileServer(http.Dir(filepath.Join(s.DataDir, "server", "static")))))
	s.mux.HandleFunc("/cacerts", func(w http.ResponseWriter, _ *http.Request) { w.Write(s.cas.server.pem) })
	s.mux.Handle("/v1-k3s/readyz", s.known(func(w http.ResponseWriter, r *http.Request) {
		if err := s.ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ok")
	}))
	s.mux.Handle("/v1-k3s/config", s.known(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.Facts)
	}))
	s.mux.Handle("/v1-k3s/server-bootstrap", s.servers(func(w http.ResponseWriter, _ *http.Request) {
		files, err := sharedFiles(s.DataDir)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(files)
	}))
	s.mux.Handle("/db/info", s.servers(func(w http.ResponseWriter, r *http.Request) {
		if !s.Embedded {
			http.Error(w, "etcd datastore disabled: the first server has no cluster-init", http.StatusNotFound)
			return
		}
		members, err := etcdMembers(r.Context(), s.DataDir)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		json.NewEncoder(w).Encode(map[string]interface{}{"Members": members})
	}))
	s.mux.Handle("/v1-k3s/server-ca.crt", s.known(func(w http.ResponseWriter, _ *http.Request) { w.Write(s.cas.server.pem) }))
	s.mux.Handle("/v1-k3s/client-ca.crt", s.known(func(w http.ResponseWriter, _ *http.Request) { w.Write(s.cas.client.pem) }))
	s.mux.Handle("/v1-k3s/serving-kubelet.crt", s.issuing(s.cas.server, func(node, ip string) leaf {
		return leaf{node, "", unique([]string{node, "localhost", "127.0.0.1", "::1", ip}), forServer}
	}))
	s.mux.Handle("/v1-k3s/client-kubelet.crt", s.issuing(s.cas.client, func(node, _ string) leaf {
		return leaf{"system:node:" + node, "system:nodes", nil, forClient}
	}))
	s.mux.Handle("/v1-k3s/client-kube-proxy.crt", s.issuing(s.cas.client, func(string, string) leaf {
		return leaf{"system:kube-proxy", "", nil, forClient}
	}))
	return s, nil
}

// before puts the supervisor's paths in front of the API server's.
func (s *supervisor) before(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; p == "/ping" || p == "/cacerts" || p == "/db/info" || strings.HasPrefix(p, "/v1-k3s/") || strings.HasPrefix(p, "/static/") {
			s.mux.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// servers lets in who shows the servers' token as a server.
func (s *supervisor) servers(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "server" || !same(password, s.ServerPassword) {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		next(w, r)
	})
}

// known lets in who shows a token: nodes with either password, servers with theirs.
func (s *supervisor) known(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		asServer := same(password, s.ServerPassword) && (user == "server" || user == "node")
		if asServer || user == "node" && same(password, s.AgentPassword) {
			next(w, r)
			return
		}
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	})
}

func (s *supervisor) ready(ctx context.Context) error {
	return s.client.CoreV1().RESTClient().Get().AbsPath("/readyz").Timeout(5 * time.Second).Do(ctx).Error()
}

// issuing signs the public key of a certificate request for the node that proves its name by its node password.
// The names in the certificate are ours to decide; the request's are not looked at.
func (s *supervisor) issuing(by *authority, what func(node, ip string) leaf) http.Handler {
	return s.known(func(w http.ResponseWriter, r *http.Request) {
		name, password := r.Header.Get("K3s-Node-Name"), r.Header.Get("K3s-Node-Password")
		if name == "" || password == "" {
			http.Error(w, "node name or node password not set", http.StatusBadRequest)
			return
		}
		if err := s.ready(r.Context()); err != nil {
			http.Error(w, "runtime core not ready", http.StatusServiceUnavailable)
			return
		}
		if err := ensureNodePassword(r.Context(), s.client, name, password); errors.Is(err, errNodeRejected) {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		} else if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		body, err := ioutil.ReadAll(http.MaxBytesReader(w, r.Body, 1<<16))
		block, _ := pem.Decode(body)
		if err != nil || block == nil {
			http.Error(w, "a certificate request in PEM is expected", http.StatusBadRequest)
			return
		}
		request, err := x509.ParseCertificateRequest(block.Bytes)
		if err == nil {
			err = request.CheckSignature()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		signed, err := by.sign(what(name, r.Header.Get("K3s-Node-IP")), request.PublicKey)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Write(signed)
	})
}
