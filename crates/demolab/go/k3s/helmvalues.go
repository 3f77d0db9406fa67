package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// values are all values of a chart in one document. Later ones win: the chart's own, those of its secrets, those of a
// HelmChartConfig of the same name, and `set`, as on Helm's command line.
func (c *charts) values(ctx context.Context, chart *unstructured.Unstructured, spec chartSpec) ([]byte, error) {
	all := map[string]interface{}{}
	specs := []chartSpec{spec}
	config, err := c.objects.Resource(configResource).Namespace(chart.GetNamespace()).Get(ctx, chart.GetName(), meta.GetOptions{})
	if err == nil {
		more, err := decodeSpec(config)
		if err != nil {
			return nil, fmt.Errorf("HelmChartConfig: %v", err)
		}
		specs = append(specs, more)
	} else if !apierrors.IsNotFound(err) {
		return nil, err
	}
	for _, one := range specs {
		if err := mergeYAML(all, []byte(one.ValuesContent)); err != nil {
			return nil, fmt.Errorf("valuesContent: %v", err)
		}
		for _, from := range one.ValuesSecrets {
			secret, err := c.client.CoreV1().Secrets(chart.GetNamespace()).Get(ctx, from.Name, meta.GetOptions{})
			if err != nil {
				return nil, err
			}
			for _, key := range from.Keys {
				if err := mergeYAML(all, secret.Data[key]); err != nil {
					return nil, fmt.Errorf("secret %s, key %s: not YAML", from.Name, key) // its content is nobody's business
				}
			}
		}
	}
	names := []string{}
	for name := range spec.Set {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if strings.ContainsAny(name, "[]{}\\") {
			return nil, fmt.Errorf("set: %q: the stand-in takes plain paths with dots", name)
		}
		setPath(all, strings.Split(name, "."), setValue(spec.Set[name]))
	}
	return json.Marshal(all)
}

func mergeYAML(into map[string]interface{}, text []byte) error {
	var more map[string]interface{}
	if err := yaml.Unmarshal(text, &more); err != nil {
		return err
	}
	merge(into, more)
	return nil
}

func merge(into, more map[string]interface{}) {
	for key, value := range more {
		old, isMap := into[key].(map[string]interface{})
		if added, ok := value.(map[string]interface{}); ok && isMap {
			merge(old, added)
		} else {
			into[key] = value
		}
	}
}

func setPath(into map[string]interface{}, path []string, value interface{}) {
	for _, name := range path[:len(path)-1] {
		inner, ok := into[name].(map[string]interface{})
		if !ok {
			inner = map[string]interface{}{}
			into[name] = inner
		}
		into = inner
	}
	into[path[len(path)-1]] = value
}

// setValue reads a word as Helm's --set does: true, false, null and whole numbers are what they look like.
func setValue(v interface{}) interface{} {
	text, ok := v.(string)
	if !ok {
		return v
	}
	switch text {
	case "true", "false":
		return text == "true"
	case "null":
		return nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && (text == "0" || text[0] != '0') {
		return n
	}
	return text
}
