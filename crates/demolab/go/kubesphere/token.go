package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// signer makes and checks JSON web tokens (HS256) with a key of this process.
type signer struct{ key []byte }

func newSigner() (*signer, error) {
	key := make([]byte, 32)
	_, err := rand.Read(key)
	return &signer{key}, err
}

var url64 = base64.RawURLEncoding

func (s *signer) mac(text string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(text))
	return url64.EncodeToString(mac.Sum(nil))
}

func (s *signer) sign(user, kind string, lifetime time.Duration) string {
	now := time.Now()
	claims, _ := json.Marshal(object{"sub": user, "token_type": kind, "iat": now.Unix(), "exp": now.Add(lifetime).Unix()})
	text := url64.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + url64.EncodeToString(claims)
	return text + "." + s.mac(text)
}

// verify gives the name of the user that an access token is for.
func (s *signer) verify(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || !hmac.Equal([]byte(s.mac(parts[0]+"."+parts[1])), []byte(parts[2])) {
		return "", fmt.Errorf("no token of this server")
	}
	text, err := url64.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims struct {
		User string `json:"sub"`
		Kind string `json:"token_type"`
		End  int64  `json:"exp"`
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return "", err
	}
	if claims.Kind != "access_token" || time.Now().Unix() > claims.End {
		return "", fmt.Errorf("the token is over")
	}
	return claims.User, nil
}
