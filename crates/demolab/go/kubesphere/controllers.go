package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// controllers is ks-controller-manager: users become active, repositories become offers, plans become workloads. There
// are few of them: everything is looked at again and again.
func controllers() error {
	api, err := inCluster()
	if err != nil {
		return err
	}
	ready := func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok")) }
	go func() { logf("health: %v", serve(":8080", http.HandlerFunc(ready))) }()
	c := &controller{api: api, told: map[string]string{}}
	for {
		c.say("users", c.keepUsers())
		c.say("repositories", c.keepOffers())
		c.say("plans", c.keepPlans())
		time.Sleep(time.Second)
	}
}

type controller struct {
	api  *api
	told map[string]string
}

// say tells an error once.
func (c *controller) say(what string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && c.told[what] != text {
		logf("%s: %s", what, text)
	}
	c.told[what] = text
}

// keepUsers: a password in clear text becomes its hash, a user with a hash is active.
func (c *controller) keepUsers() error {
	all, err := c.api.list(users)
	if err != nil {
		return err
	}
	for _, user := range all {
		path, word := users+"/"+field(user, "metadata", "name"), field(user, "spec", "password")
		if word == "" {
			continue
		}
		if _, err := bcrypt.Cost([]byte(word)); err != nil {
			hash, err := bcrypt.GenerateFromPassword([]byte(word), bcrypt.DefaultCost)
			if err != nil {
				return err
			}
			if _, err := c.api.merge(path, object{"spec": object{"password": string(hash)}}); err != nil {
				return err
			}
			continue
		}
		if field(user, "status", "state") != "Active" {
			if _, err := c.api.merge(path+"/status", object{"status": object{"state": "Active"}}); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	group        = "/apis/kubesphere.io/v1alpha1"
	repositories = group + "/repositories"
	versions     = group + "/extensionversions"
)

// offer is an extension as a repository's index names it.
type offer struct {
	Name, Version, Namespace, Image string
	Requires                        []string
}

// keepOffers: what a repository's index names becomes an ExtensionVersion; one that is there is left as it is.
func (c *controller) keepOffers() error {
	all, err := c.api.list(repositories)
	if err != nil {
		return err
	}
	for _, repository := range all {
		got, err := toBackend.Get(field(repository, "spec", "url") + "/index.yaml")
		if err != nil {
			return err
		}
		var offers []offer
		err = json.NewDecoder(got.Body).Decode(&offers)
		got.Body.Close()
		if err != nil || got.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s %v", field(repository, "metadata", "name"), got.Status, err)
		}
		for _, o := range offers {
			name := o.Name + "-" + o.Version
			if _, err := c.api.get(versions + "/" + name); !notFound(err) {
				continue
			}
			body := object{
				"apiVersion": "kubesphere.io/v1alpha1", "kind": "ExtensionVersion", "metadata": object{"name": name},
				"spec": object{"version": o.Version, "namespace": o.Namespace, "image": o.Image, "externalDependencies": o.Requires},
			}
			if _, err := c.api.create(versions, body); err != nil {
				return err
			}
		}
	}
	return nil
}

// museum is the repository of extensions: an index over HTTP.
func museum() error {
	const image = "docker.io/airlab/ks-stand-in:1"
	index, err := json.Marshal([]offer{
		{"whizard-telemetry", "1.2.2", "extension-whizard-telemetry", image, nil},
		{"whizard-monitoring", "1.1.1", "kubesphere-monitoring-system", image, []string{"whizard-telemetry"}},
		{"opensearch", "2.11.1", "kubesphere-logging-system", image, nil},
		{"vector", "1.0.4", "kubesphere-logging-system", image, []string{"opensearch"}},
		{"whizard-logging", "1.2.2", "kubesphere-logging-system", image, []string{"vector", "whizard-telemetry"}},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/index.yaml", func(w http.ResponseWriter, r *http.Request) { w.Write(index) }) // JSON is YAML
	return serve(":8080", mux)
}
