package main

import (
	"context"
	"os"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// helmLease is what the servers' helm-controllers agree by.
const helmLease = "k3s-helm-controller"

// releaseLeases gives back the leases of the programs that ran here before: they are gone, since they end with us, and
// without this a restarted single server would wait for its own ghost.
func releaseLeases(ctx context.Context, s settings) error {
	client, err := clientFrom(s.dir("server", "cred", "supervisor.kubeconfig"))
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	leases := client.CoordinationV1().Leases(meta.NamespaceSystem)
	for _, name := range []string{"kube-controller-manager", "kube-scheduler", helmLease} {
		lease, err := leases.Get(ctx, name, meta.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		if holder := lease.Spec.HolderIdentity; holder == nil || !strings.HasPrefix(*holder, host+"_") {
			continue
		}
		free := ""
		lease.Spec.HolderIdentity = &free
		if _, err := leases.Update(ctx, lease, meta.UpdateOptions{}); err != nil && !apierrors.IsConflict(err) {
			return err
		}
	}
	return nil
}
