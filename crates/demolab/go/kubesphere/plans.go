package main

import (
	"fmt"
	"net/http"
	"time"
)

const (
	plans     = group + "/installplans"
	finalizer = "kubesphere.io/installplan-stand-in"
)

// keepPlans brings every InstallPlan one step on.
func (c *controller) keepPlans() error {
	all, err := c.api.list(plans)
	if err != nil {
		return err
	}
	for _, plan := range all {
		if err := c.keepPlan(plan); err != nil {
			return fmt.Errorf("%s: %v", field(plan, "metadata", "name"), err)
		}
	}
	return nil
}

func workload(space, name string) string {
	return "/apis/apps/v1/namespaces/" + space + "/deployments/" + name
}

func (c *controller) keepPlan(plan object) error {
	name := field(plan, "metadata", "name")
	path := plans + "/" + name
	if field(plan, "metadata", "deletionTimestamp") != "" {
		return c.uninstall(plan, path, name)
	}
	if len(texts(under(plan, "metadata", "finalizers"))) == 0 {
		_, err := c.api.merge(path, object{"metadata": object{"finalizers": []string{finalizer}}})
		return err
	}
	wanted := field(plan, "spec", "extension", "version")
	version, err := c.api.get(versions + "/" + field(plan, "spec", "extension", "name") + "-" + wanted)
	if notFound(err) {
		return c.state(plan, "InstallFailed", "", "no repository offers version "+wanted)
	}
	if err != nil {
		return err
	}
	// nobody installs what is needed before
	for _, need := range texts(under(version, "spec", "externalDependencies")) {
		other, err := c.api.get(plans + "/" + need)
		if err != nil && !notFound(err) {
			return err
		}
		if err != nil || field(other, "status", "state") != "Installed" {
			return c.state(plan, "InstallFailed", "", "it needs "+need+", which is not installed")
		}
	}
	space := field(version, "spec", "namespace")
	there, err := c.install(space, name, field(version, "spec", "image"))
	if err != nil {
		return err
	}
	available, _ := under(there, "status", "availableReplicas").(float64)
	observed, _ := under(there, "status", "observedGeneration").(float64)
	generation, _ := under(there, "metadata", "generation").(float64)
	if available > 0 && observed >= generation {
		return c.state(plan, "Installed", space, "")
	}
	if field(plan, "status", "state") == "Installed" {
		return nil
	}
	return c.state(plan, "Installing", space, "")
}

// install: one pod with the extension's image.
func (c *controller) install(space, name, image string) (object, error) {
	containers := []object{{"name": name, "image": image, "args": []string{"extension"}}}
	there, err := c.api.get(workload(space, name))
	if err == nil {
		current, _ := under(there, "spec", "template", "spec", "containers").([]interface{})
		if len(current) == 1 && field(current[0].(object), "image") == image {
			return there, nil
		}
		return c.api.merge(workload(space, name), object{"spec": object{"template": object{"spec": object{"containers": containers}}}})
	}
	if !notFound(err) {
		return nil, err
	}
	_, err = c.api.create("/api/v1/namespaces", object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": space}})
	if r, ok := err.(refused); err != nil && !(ok && r.code == http.StatusConflict) {
		return nil, err
	}
	labels := object{"app": name}
	return c.api.create("/apis/apps/v1/namespaces/"+space+"/deployments", object{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": object{"name": name},
		"spec": object{"replicas": 1, "selector": object{"matchLabels": labels}, "template": object{
			"metadata": object{"labels": labels}, "spec": object{"containers": containers, "terminationGracePeriodSeconds": 1},
		}},
	})
}

func (c *controller) uninstall(plan object, path, name string) error {
	if space := field(plan, "status", "targetNamespace"); space != "" {
		if err := c.api.remove(workload(space, name)); err != nil {
			return err
		}
		if _, err := c.api.get(workload(space, name)); !notFound(err) {
			return err
		}
	}
	_, err := c.api.merge(path, object{"metadata": object{"finalizers": nil}})
	return err
}

// state writes where a plan is, with when it came there; nothing where it is there already.
func (c *controller) state(plan object, state, space, why string) error {
	old, _ := under(plan, "status", "conditions").([]interface{})
	said := ""
	if len(old) > 0 {
		said = field(old[0].(object), "message")
	}
	if field(plan, "status", "state") == state && said == why {
		return nil
	}
	history, _ := under(plan, "status", "stateHistory").([]interface{})
	now := time.Now().UTC().Format(time.RFC3339)
	status := object{
		"state": state, "stateHistory": append(history, object{"state": state, "lastTransitionTime": now}),
		"conditions": []object{{"type": "Installed", "status": map[bool]string{true: "True", false: "False"}[state == "Installed"], "message": why}},
	}
	if space != "" {
		status["targetNamespace"] = space
	}
	if state == "Installed" {
		status["version"] = field(plan, "spec", "extension", "version")
	}
	name := field(plan, "metadata", "name")
	logf("InstallPlan %s: %s %s", name, state, why)
	_, err := c.api.merge(plans+"/"+name+"/status", object{"status": status})
	return err
}
