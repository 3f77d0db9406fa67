package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// etcdName is where a node says which member of etcd it is.
const etcdName = "etcd.k3s.cattle.io/node-name"

// keepRoles labels this server as one, and forgets the node passwords and etcd members of deleted nodes, for as long as
// the server runs.
func (n *node) keepRoles(ctx context.Context, s settings, d *datastore) error {
	client, err := clientFrom(s.dir("server", "cred", "supervisor.kubeconfig"))
	if err != nil {
		return err
	}
	labels := map[string]string{"node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/master": "true"}
	annotations := map[string]string{}
	if s.embedded() {
		labels["node-role.kubernetes.io/etcd"] = "true"
		annotations[etcdName], annotations["etcd.k3s.cattle.io/node-address"] = d.name, n.ip
	}
	patch, err := json.Marshal(object{"metadata": object{"labels": labels, "annotations": annotations}})
	if err != nil {
		return err
	}
	if s.on("disable-agent") {
		// no node of this name
	} else if err := wait(ctx, "labels of "+n.name, time.Minute, func() error {
		_, err := client.CoreV1().Nodes().Patch(ctx, n.name, types.MergePatchType, patch, meta.PatchOptions{})
		return err
	}); err != nil {
		return fmt.Errorf("node labels: %v", err)
	}
	source := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "nodes", "", fields.Everything())
	_, controller := cache.NewInformer(source, &core.Node{}, 0, cache.ResourceEventHandlerFuncs{DeleteFunc: func(o interface{}) {
		if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = unknown.Obj
		}
		if gone, ok := o.(*core.Node); ok {
			forgetNodePassword(ctx, client, gone.Name)
			if name := gone.Annotations[etcdName]; name != "" && name != d.name {
				removeMember(ctx, s.one("data-dir"), name)
			}
		}
	}})
	controller.Run(ctx.Done())
	return nil
}
