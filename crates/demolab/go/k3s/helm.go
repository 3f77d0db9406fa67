package main

import (
	"context"
	"fmt"
	"os"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// helmImage holds real Helm, as a library, and a small program that stands in for rancher/klipper-helm.
const helmImage = "docker.io/airlab/helm-stand-in:1"

var (
	chartResource  = schema.GroupVersionResource{Group: "helm.cattle.io", Version: "v1", Resource: "helmcharts"}
	configResource = schema.GroupVersionResource{Group: "helm.cattle.io", Version: "v1", Resource: "helmchartconfigs"}
)

// chartSpec are the keys of a HelmChart that are honoured here.
type chartSpec struct {
	Chart           string                 `json:"chart"`
	Version         string                 `json:"version"`
	Repo            string                 `json:"repo"`
	ChartContent    string                 `json:"chartContent"`
	TargetNamespace string                 `json:"targetNamespace"`
	CreateNamespace bool                   `json:"createNamespace"`
	Set             map[string]interface{} `json:"set"`
	ValuesContent   string                 `json:"valuesContent"`
	ValuesSecrets   []struct {
		Name string   `json:"name"`
		Keys []string `json:"keys"`
	} `json:"valuesSecrets"`
	JobImage      string `json:"jobImage"`
	BackOffLimit  *int32 `json:"backOffLimit"`
	Timeout       string `json:"timeout"`
	FailurePolicy string `json:"failurePolicy"`
}

// charts is k3s's helm-controller: a Job for every HelmChart, in which Helm does the work.
type charts struct {
	s       settings
	client  kubernetes.Interface
	objects dynamic.Interface
	api     string // the API as a pod reaches it
	told    map[string]string
}

// keepCharts works on one server at a time.
func keepCharts(ctx context.Context, s settings) {
	if s.on("disable-helm-controller") {
		return
	}
	c := &charts{s: s, told: map[string]string{}}
	err := c.connect()
	if err != nil {
		logf("error", "helm-controller: %v", err)
		return
	}
	crds := s.dir("server", "etc", "helm-crds.yaml")
	if err = writeManifest(crds, []object{chartCRD("HelmChart", "helmcharts"), chartCRD("HelmChartConfig", "helmchartconfigs")}); err == nil {
		err = wait(ctx, "helm.cattle.io", 5*time.Minute, func() error {
			out, err := applyManifest(ctx, s, crds, 0)
			if err != nil {
				sleep(ctx, 2*time.Second)
				return fmt.Errorf("%v: %s", err, out)
			}
			return nil
		})
	}
	if err != nil {
		logf("error", "helm-controller: %v", err)
		return
	}
	host, _ := os.Hostname()
	lock := &resourcelock.LeaseLock{
		LeaseMeta: meta.ObjectMeta{Name: helmLease, Namespace: meta.NamespaceSystem}, Client: c.client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + randomHex(8)},
	}
	for sleep(ctx, 0) { // a lost lease is asked for again
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: 30 * time.Second, RenewDeadline: 20 * time.Second, RetryPeriod: 2 * time.Second,
			Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: c.run, OnStoppedLeading: func() {}},
		})
	}
}

func (c *charts) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.s.dir("server", "cred", "supervisor.kubeconfig"))
	if err != nil {
		return err
	}
	if c.client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if c.objects, err = dynamic.NewForConfig(config); err != nil {
		return err
	}
	first, err := firstAddress(c.s.one("service-cidr"))
	c.api = first + ":443"
	return err
}

// run looks at every HelmChart, again and again: there are few of them.
func (c *charts) run(ctx context.Context) {
	for sleep(ctx, time.Second) {
		list, err := c.objects.Resource(chartResource).List(ctx, meta.ListOptions{})
		if err != nil {
			continue
		}
		for i := range list.Items {
			chart := &list.Items[i]
			err := c.settle(ctx, chart)
			c.say(chart.GetNamespace()+"/"+chart.GetName(), err)
		}
	}
}

// say tells an error once.
func (c *charts) say(name string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && c.told[name] != text {
		logf("error", "HelmChart %s: %s", name, text)
	}
	c.told[name] = text
}

func decodeSpec(o *unstructured.Unstructured) (chartSpec, error) {
	var holder struct {
		Spec chartSpec `json:"spec"`
	}
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &holder)
	return holder.Spec, err
}

func chartCRD(kind, plural string) object {
	return object{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": object{"name": plural + ".helm.cattle.io"},
		"spec": object{
			"group": "helm.cattle.io", "scope": "Namespaced", "names": object{"kind": kind, "plural": plural, "singular": plural[:len(plural)-1], "listKind": kind + "List"},
			"versions": []object{{
				"name": "v1", "served": true, "storage": true, "subresources": object{"status": object{}},
				"schema": object{"openAPIV3Schema": object{"type": "object", "properties": object{
					"spec":   object{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
					"status": object{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
				}}},
			}},
		},
	}
}
