package main

import (
	"crypto/rand"
	"encoding/base64"
	"os"

	"sigs.k8s.io/yaml"
)

// encryptionConfig makes, once, the key with which secrets are stored encrypted, and names the file.
func encryptionConfig(s settings) (string, error) {
	path := s.dir("server", "cred", "encryption-config.json")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return "", err
	}
	content, err := yaml.Marshal(object{
		"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration",
		"resources": []object{{"resources": []string{"secrets"}, "providers": []object{
			{"aescbc": object{"keys": []object{{"name": "aescbckey", "secret": base64.StdEncoding.EncodeToString(key)}}}},
			{"identity": object{}},
		}}},
	})
	if err == nil {
		content, err = yaml.YAMLToJSON(content)
	}
	if err != nil {
		return "", err
	}
	return path, writeFile(path, content, 0600)
}
