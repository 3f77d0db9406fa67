package main

import (
	"context"
	"errors"
	"io/ioutil"
	"os"
	"strings"

	"golang.org/x/crypto/bcrypt"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const nodePasswordFile = "/etc/rancher/node/password"

var errNodeRejected = errors.New("Node password rejected, duplicate hostname or contents of '" + nodePasswordFile +
	"' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag")

// ownNodePassword is the one on this machine, made at the first start.
func ownNodePassword() (string, error) {
	content, err := ioutil.ReadFile(nodePasswordFile)
	if os.IsNotExist(err) {
		content = []byte(randomHex(16) + "\n")
		err = writeFile(nodePasswordFile, content, 0600)
	}
	return strings.TrimSpace(string(content)), err
}

func nodePasswordSecret(node string) string { return node + ".node-password.k3s" }

// ensureNodePassword binds a node's name to the first password it came with.
func ensureNodePassword(ctx context.Context, client kubernetes.Interface, node, password string) error {
	secrets := client.CoreV1().Secrets(meta.NamespaceSystem)
	found, err := secrets.Get(ctx, nodePasswordSecret(node), meta.GetOptions{})
	if err == nil {
		if bcrypt.CompareHashAndPassword(found.Data["hash"], []byte(password)) != nil {
			return errNodeRejected
		}
		return nil
	}
	if !apierrors.IsNotFound(err) {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return err
	}
	immutable := true
	_, err = secrets.Create(ctx, &core.Secret{
		ObjectMeta: meta.ObjectMeta{Name: nodePasswordSecret(node)}, Immutable: &immutable, Data: map[string][]byte{"hash": hash},
	}, meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // two requests of one node at a time
		return ensureNodePassword(ctx, client, node, password)
	}
	return err
}

// forgetNodePassword lets a rebuilt machine take the name of a deleted node.
func forgetNodePassword(ctx context.Context, client kubernetes.Interface, node string) {
	err := client.CoreV1().Secrets(meta.NamespaceSystem).Delete(ctx, nodePasswordSecret(node), meta.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		logf("warning", "node password of deleted node %s not removed: %v", node, err)
	}
}
