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

// keepRoles labels this server as one, and forgets the node passwords of deleted nodes, for as long as the server runs.
func (n *node) keepRoles(ctx context.Context, s settings) error {
	client, err := clientFrom(s.dir("server", "cred", "supervisor.kubeconfig"))
	if err != nil {
		return err
	}
	labels := map[string]string{"node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/master": "true"}
	if s.on("cluster-init") {
		labels["node-role.kubernetes.io/etcd"] = "true"
	}
	patch, err := json.Marshal(object{"metadata": object{"labels": labels}})
	if err != nil {
		return err
	}
	if err := wait(ctx, "labels of "+n.name, time.Minute, func() error {
		_, err := client.CoreV1().Nodes().Patch(ctx, n.name, types.MergePatchType, patch, meta.PatchOptions{})
		return err
	}); err != nil {
		return fmt.Errorf("node labels: %v", err)
	}
	source := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "nodes", "", fields.Everything())
	_, controller := cache.NewInformer(source, &core.Node{}, 0, cache.ResourceEventHandlerFuncs{DeleteFunc: func(o interface{}) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(o); err == nil {
			forgetNodePassword(ctx, client, key)
		}
	}})
	controller.Run(ctx.Done())
	return nil
}
