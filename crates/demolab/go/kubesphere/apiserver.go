package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	users = "/apis/iam.kubesphere.io/v1beta1/users"
	// the OAuth client of the console
	client, clientSecret = "kubesphere", "kubesphere"
	lifetime             = 2 * time.Hour
)

// apiserver is ks-apiserver: its health, its version, tokens for passwords, and users behind a token.
func apiserver() error {
	api, err := inCluster()
	if err != nil {
		return err
	}
	signer, err := newSigner()
	if err != nil {
		return err
	}
	s := &ksServer{api, signer}
	mux := http.NewServeMux()
	for _, path := range []string{"/healthz", "/livez"} {
		mux.HandleFunc(path, s.healthy)
	}
	mux.HandleFunc("/version", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, object{"gitVersion": os.Getenv("KS_VERSION"), "platform": "linux/amd64"})
	})
	mux.HandleFunc("/oauth/token", s.token)
	mux.HandleFunc("/kapis/", s.resources)
	return serve(":9090", mux)
}

type ksServer struct {
	api    *api
	signer *signer
}

func answer(w http.ResponseWriter, code int, body object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(body)
}

func (s *ksServer) healthy(w http.ResponseWriter, r *http.Request) {
	if _, err := s.api.list(users); err != nil {
		http.Error(w, "users: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Write([]byte("ok"))
}

// token is the password grant: 400 and invalid_grant for a wrong password, as KubeSphere answers.
func (s *ksServer) token(w http.ResponseWriter, r *http.Request) {
	no := func(code int, what, why string) { answer(w, code, object{"error": what, "error_description": why}) }
	if r.Method != "POST" || r.ParseForm() != nil {
		no(http.StatusBadRequest, "invalid_request", "a form by POST is wanted")
		return
	}
	form := r.PostForm
	if form.Get("client_id") != client || form.Get("client_secret") != clientSecret {
		no(http.StatusUnauthorized, "invalid_client", "the client is not known")
		return
	}
	if form.Get("grant_type") != "password" {
		no(http.StatusBadRequest, "unsupported_grant_type", "only password is")
		return
	}
	name := form.Get("username")
	user, err := s.user(name)
	if err != nil && !notFound(err) {
		no(http.StatusInternalServerError, "server_error", err.Error())
		return
	}
	right := err == nil && field(user, "status", "state") == "Active" &&
		bcrypt.CompareHashAndPassword([]byte(field(user, "spec", "password")), []byte(form.Get("password"))) == nil
	if !right {
		logf("login of %q refused", name)
		no(http.StatusBadRequest, "invalid_grant", "incorrect password")
		return
	}
	logf("login of %q", name)
	answer(w, http.StatusOK, object{
		"access_token": s.signer.sign(name, "access_token", lifetime), "token_type": "Bearer",
		"refresh_token": s.signer.sign(name, "refresh_token", 2*lifetime), "expires_in": int(lifetime.Seconds()),
	})
}

func (s *ksServer) user(name string) (object, error) {
	if name == "" || strings.ContainsAny(name, "/?#%") {
		return nil, refused{http.StatusNotFound, "no such user"}
	}
	return s.api.get(users + "/" + name)
}

// resources are for those with a token.
func (s *ksServer) resources(w http.ResponseWriter, r *http.Request) {
	name, err := s.signer.verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if err != nil {
		answer(w, http.StatusUnauthorized, object{"message": "Unauthorized: " + err.Error()})
		return
	}
	wanted := strings.TrimPrefix(r.URL.Path, "/kapis/iam.kubesphere.io/v1beta1/users/")
	if wanted != name {
		answer(w, http.StatusNotFound, object{"message": "the stand-in shows a user to himself only"})
		return
	}
	user, err := s.user(name)
	if err != nil {
		answer(w, http.StatusInternalServerError, object{"message": err.Error()})
		return
	}
	delete(user["spec"].(object), "password")
	answer(w, http.StatusOK, user)
}
