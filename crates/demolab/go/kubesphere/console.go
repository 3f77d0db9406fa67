package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const backend = "http://ks-apiserver." + namespace + ".svc"

//go:embed page.html
var page []byte

var toBackend = &http.Client{Timeout: 10 * time.Second}

// console is ks-console: one page, whose script asks for the rest; a login that becomes a cookie.
func console() error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, err := r.Cookie("token")
		switch {
		case r.URL.Path == "/" && err != nil:
			http.Redirect(w, r, "/login", http.StatusFound)
		case r.URL.Path == "/":
			html(w)
		default:
			http.NotFound(w, r)
		}
	})
	mux.HandleFunc("/login", login)
	mux.HandleFunc("/version", func(w http.ResponseWriter, r *http.Request) { pass(w, r, "/version") })
	mux.HandleFunc("/kapis/", func(w http.ResponseWriter, r *http.Request) { pass(w, r, r.URL.Path) })
	return serve(":8000", mux)
}

func html(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page)
}

// pass hands a question on, with the token of the cookie.
func pass(w http.ResponseWriter, r *http.Request, path string) {
	request, err := http.NewRequest("GET", backend+path, nil)
	if err == nil {
		if cookie, err := r.Cookie("token"); err == nil {
			request.Header.Set("Authorization", "Bearer "+cookie.Value)
		}
		var got *http.Response
		if got, err = toBackend.Do(request); err == nil {
			defer got.Body.Close()
			w.Header().Set("Content-Type", got.Header.Get("Content-Type"))
			w.WriteHeader(got.StatusCode)
			io.Copy(w, got.Body)
			return
		}
	}
	answer(w, http.StatusBadGateway, object{"message": err.Error()})
}

// login: the page by GET; by POST, name and password become a token of ks-apiserver, or 401.
func login(w http.ResponseWriter, r *http.Request) {
	if r.Method != "POST" {
		html(w)
		return
	}
	var typed struct{ Username, Password string }
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&typed); err != nil {
		answer(w, http.StatusBadRequest, object{"message": "JSON is wanted"})
		return
	}
	form := url.Values{
		"grant_type": {"password"}, "client_id": {client}, "client_secret": {clientSecret},
		"username": {typed.Username}, "password": {typed.Password},
	}
	got, err := toBackend.Post(backend+"/oauth/token", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		answer(w, http.StatusBadGateway, object{"message": err.Error()})
		return
	}
	defer got.Body.Close()
	var token struct {
		Access string `json:"access_token"`
		Error  string `json:"error"`
	}
	err = json.NewDecoder(io.LimitReader(got.Body, 1<<16)).Decode(&token)
	switch {
	case err != nil:
		answer(w, http.StatusBadGateway, object{"message": err.Error()})
	case token.Error == "invalid_grant":
		answer(w, http.StatusUnauthorized, object{"message": "INCORRECT_USERNAME_OR_PASSWORD"})
	case token.Access == "":
		answer(w, http.StatusBadGateway, object{"message": fmt.Sprintf("%d %s", got.StatusCode, token.Error)})
	default:
		http.SetCookie(w, &http.Cookie{Name: "token", Value: token.Access, Path: "/", HttpOnly: true})
		answer(w, http.StatusOK, object{"success": true})
	}
}
