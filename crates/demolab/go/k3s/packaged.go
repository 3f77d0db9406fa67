package main

import (
	"context"
	"io/ioutil"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

// dnsImage is the stand-in for CoreDNS: Debian has none.
const dnsImage = "docker.io/airlab/dns-stand-in:1"

// packaged are the components that k3s brings along; the stand-in has one of them.
var packaged = map[string]func(settings) []object{
	"coredns": dnsObjects, "local-storage": nil, "metrics-server": nil, "servicelb": nil, "traefik": nil,
}

// writePackaged puts the components that are on into server/manifests, and takes those that are off out of the cluster.
func writePackaged(ctx context.Context, s settings) error {
	for name, objects := range packaged {
		off := contains(s["disable"], name)
		if objects == nil {
			if !off {
				logf("warning", "stand-in for k3s: %s is not shown here", name)
			}
			continue
		}
		path := s.dir("server", "manifests", name+".yaml")
		if !off {
			if err := writeManifest(path, objects(s)); err != nil {
				return err
			}
			continue
		}
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if out, err := runKubectl(ctx, s, "delete", "--ignore-not-found", "--wait=false", "-f", path); err != nil {
			logf("error", "disable %s: %v: %s", name, err, out)
		} else if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

func writeManifest(path string, objects []object) error {
	var parts []string
	for _, o := range objects {
		part, err := yaml.Marshal(o)
		if err != nil {
			return err
		}
		parts = append(parts, string(part))
	}
	text := strings.Join(parts, "---\n")
	if old, err := ioutil.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	return writeFile(path, []byte(text), 0600)
}

// dnsObjects look like k3s's coredns.yaml from outside: names, labels, the service's address.
func dnsObjects(s settings) []object {
	const name = "coredns"
	named := func(name string) object {
		return object{"name": name, "namespace": "kube-system", "labels": object{"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"},
			"annotations": object{"airlab/stand-in": "a DNS server of airlab's in the place of CoreDNS; it forwards nothing"}}
	}
	port := func(protocol, name string) object {
		return object{"name": name, "port": 53, "targetPort": 53, "protocol": protocol}
	}
	probe := object{"httpGet": object{"path": "/ready", "port": 8181, "scheme": "HTTP"}, "periodSeconds": 2, "failureThreshold": 3, "timeoutSeconds": 1}
	return []object{
		{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named(name)},
		{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": object{"name": "system:coredns"}, "rules": []object{
			{"apiGroups": []string{""}, "resources": []string{"endpoints", "services"}, "verbs": []string{"list", "watch"}},
		}},
		{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": object{"name": "system:coredns"},
			"roleRef":  object{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
			"subjects": []object{{"kind": "ServiceAccount", "name": name, "namespace": "kube-system"}}},
		{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named(name), "spec": object{
			"revisionHistoryLimit": 0,
			"strategy":             object{"type": "RollingUpdate", "rollingUpdate": object{"maxUnavailable": 1}},
			"selector":             object{"matchLabels": object{"k8s-app": "kube-dns"}},
			"template": object{"metadata": object{"labels": object{"k8s-app": "kube-dns"}}, "spec": object{
				"serviceAccountName": name, "priorityClassName": "system-cluster-critical", "dnsPolicy": "Default",
				"terminationGracePeriodSeconds": 5,
				"tolerations": []object{
					{"key": "CriticalAddonsOnly", "operator": "Exists"},
					{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
					{"key": "node-role.kubernetes.io/master", "operator": "Exists", "effect": "NoSchedule"},
				},
				"containers": []object{{
					"name": name, "image": dnsImage, "imagePullPolicy": "IfNotPresent", "args": []string{s.one("cluster-domain")},
					"ports":          []object{{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"}},
					"readinessProbe": probe, "resources": object{"requests": object{"cpu": "20m", "memory": "32Mi"}, "limits": object{"memory": "170Mi"}},
				}},
			}},
		}},
		{"apiVersion": "v1", "kind": "Service", "metadata": named("kube-dns"), "spec": object{
			"selector": object{"k8s-app": "kube-dns"}, "clusterIP": s.one("cluster-dns"), "ports": []object{port("UDP", "dns"), port("TCP", "dns-tcp")},
		}},
	}
}
