package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

const (
	chartFinalizer = "wrangler.cattle.io/on-helm-chart-remove"
	chartLabel     = "helmcharts.helm.cattle.io/chart"
	chartHash      = "helmcharts.helm.cattle.io/configHash"
	contentLimit   = 1 << 20 // of an object's data; chartContent goes into one ConfigMap
)

// settle brings one HelmChart's Job to what the chart says, and the chart's status to what the Job says.
func (c *charts) settle(ctx context.Context, chart *unstructured.Unstructured) error {
	spec, err := decodeSpec(chart)
	if err != nil {
		return c.status(ctx, chart, "", "InvalidSpec", err.Error())
	}
	if chart.GetDeletionTimestamp() != nil {
		return c.remove(ctx, chart, spec)
	}
	if !contains(chart.GetFinalizers(), chartFinalizer) {
		chart.SetFinalizers(append(chart.GetFinalizers(), chartFinalizer))
		_, err := c.objects.Resource(chartResource).Namespace(chart.GetNamespace()).Update(ctx, chart, meta.UpdateOptions{})
		return err
	}
	if len(spec.ChartContent) > contentLimit {
		return c.status(ctx, chart, "", "ChartContentTooLong",
			fmt.Sprintf("chartContent: %d bytes of base64 do not fit into a ConfigMap (at most %d); use server/static/charts", len(spec.ChartContent), contentLimit))
	}
	values, err := c.values(ctx, chart, spec)
	if err != nil {
		return c.status(ctx, chart, "", "InvalidValues", err.Error())
	}
	job, err := c.job(ctx, chart, spec, values, "install")
	if err != nil {
		return err
	}
	for _, end := range job.Status.Conditions {
		if end.Type == batch.JobFailed && end.Status == core.ConditionTrue {
			return c.status(ctx, chart, job.Name, end.Reason, end.Message+": "+c.lastWords(ctx, job))
		}
	}
	if job.Status.Succeeded > 0 {
		return c.status(ctx, chart, job.Name, "", "")
	}
	return c.status(ctx, chart, job.Name, "", c.lastWords(ctx, job))
}

// remove uninstalls the release, and lets go of the chart when that is done.
func (c *charts) remove(ctx context.Context, chart *unstructured.Unstructured, spec chartSpec) error {
	if !contains(chart.GetFinalizers(), chartFinalizer) {
		return nil
	}
	namespace, name := chart.GetNamespace(), chart.GetName()
	job, err := c.job(ctx, chart, spec, []byte("{}"), "delete")
	if err != nil || job.Status.Succeeded == 0 {
		return err
	}
	var keep []string
	for _, f := range chart.GetFinalizers() {
		if f != chartFinalizer {
			keep = append(keep, f)
		}
	}
	background := meta.DeletePropagationBackground
	gone := meta.DeleteOptions{PropagationPolicy: &background}
	for _, job := range []string{"helm-install-" + name, "helm-delete-" + name} {
		c.client.BatchV1().Jobs(namespace).Delete(ctx, job, gone)
	}
	c.client.CoreV1().ConfigMaps(namespace).Delete(ctx, "chart-content-"+name, gone)
	c.client.CoreV1().Secrets(namespace).Delete(ctx, "chart-values-"+name, gone)
	c.client.CoreV1().ServiceAccounts(namespace).Delete(ctx, "helm-"+name, gone)
	c.client.RbacV1().ClusterRoleBindings().Delete(ctx, "helm-"+namespace+"-"+name, gone)
	chart.SetFinalizers(keep)
	_, err = c.objects.Resource(chartResource).Namespace(namespace).Update(ctx, chart, meta.UpdateOptions{})
	return err
}

// job is the Job for this chart as it is now; one for the chart as it was is replaced.
func (c *charts) job(ctx context.Context, chart *unstructured.Unstructured, spec chartSpec, values []byte, verb string) (*batch.Job, error) {
	namespace, name := chart.GetNamespace(), chart.GetName()
	what, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	hash := "SHA256=" + strings.ToUpper(hexSum(append(append(what, values...), verb...)))
	jobs := c.client.BatchV1().Jobs(namespace)
	job, err := jobs.Get(ctx, "helm-"+verb+"-"+name, meta.GetOptions{})
	if err == nil && job.Spec.Template.Annotations[chartHash] == hash {
		return job, nil
	}
	if err == nil {
		foreground := meta.DeletePropagationForeground
		if err := jobs.Delete(ctx, job.Name, meta.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("the Job of the chart as it was is being removed")
	}
	if !apierrors.IsNotFound(err) {
		return nil, err
	}
	if err := c.inputs(ctx, namespace, name, spec, values); err != nil {
		return nil, err
	}
	logf("info", "HelmChart %s/%s: job helm-%s-%s", namespace, name, verb, name)
	return jobs.Create(ctx, c.newJob(namespace, name, spec, verb, hash), meta.CreateOptions{})
}

// inputs are the objects that a Job's pod is given.
func (c *charts) inputs(ctx context.Context, namespace, name string, spec chartSpec, values []byte) error {
	labels := map[string]string{chartLabel: name}
	content := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "chart-content-" + name, Labels: labels}, Data: map[string]string{}}
	if spec.ChartContent != "" {
		content.Data["chart.tgz.base64"] = spec.ChartContent
	}
	secret := &core.Secret{ObjectMeta: meta.ObjectMeta{Name: "chart-values-" + name, Labels: labels}, Data: map[string][]byte{"values.json": values}}
	account := &core.ServiceAccount{ObjectMeta: meta.ObjectMeta{Name: "helm-" + name, Labels: labels}}
	binding := &rbac.ClusterRoleBinding{
		ObjectMeta: meta.ObjectMeta{Name: "helm-" + namespace + "-" + name, Labels: labels},
		RoleRef:    rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbac.Subject{{Kind: rbac.ServiceAccountKind, Namespace: namespace, Name: account.Name}},
	}
	v1, create, update := c.client.CoreV1(), meta.CreateOptions{}, meta.UpdateOptions{}
	_, err := v1.ConfigMaps(namespace).Create(ctx, content, create)
	if apierrors.IsAlreadyExists(err) {
		_, err = v1.ConfigMaps(namespace).Update(ctx, content, update)
	}
	if err != nil {
		return err
	}
	_, err = v1.Secrets(namespace).Create(ctx, secret, create)
	if apierrors.IsAlreadyExists(err) {
		_, err = v1.Secrets(namespace).Update(ctx, secret, update)
	}
	if err != nil {
		return err
	}
	if _, err = v1.ServiceAccounts(namespace).Create(ctx, account, create); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	if _, err = c.client.RbacV1().ClusterRoleBindings().Create(ctx, binding, create); apierrors.IsAlreadyExists(err) {
		err = nil
	}
	return err
}

func (c *charts) newJob(namespace, name string, spec chartSpec, verb, hash string) *batch.Job {
	first := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	env := []core.EnvVar{
		{Name: "NAME", Value: name}, {Name: "CHART", Value: strings.Replace(spec.Chart, "%{KUBERNETES_API}%", c.api, -1)},
		{Name: "VERSION", Value: spec.Version}, {Name: "REPO", Value: spec.Repo}, {Name: "TARGET_NAMESPACE", Value: first(spec.TargetNamespace, namespace)},
		{Name: "CREATE_NAMESPACE", Value: fmt.Sprint(spec.CreateNamespace)}, {Name: "TIMEOUT", Value: first(spec.Timeout, "300s")},
		{Name: "FAILURE_POLICY", Value: first(spec.FailurePolicy, "reinstall")}, {Name: "HOME", Value: "/tmp"},
		{Name: "SSL_CERT_FILE", Value: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"}, // charts come from the API's /static
	}
	limit := int32(1000)
	if spec.BackOffLimit != nil {
		limit = *spec.BackOffLimit
	}
	labels := map[string]string{chartLabel: name}
	mount := func(name, path string) core.VolumeMount { return core.VolumeMount{Name: name, MountPath: path} }
	return &batch.Job{
		ObjectMeta: meta.ObjectMeta{Name: "helm-" + verb + "-" + name, Namespace: namespace, Labels: labels},
		Spec: batch.JobSpec{BackoffLimit: &limit, Template: core.PodTemplateSpec{
			ObjectMeta: meta.ObjectMeta{Labels: labels, Annotations: map[string]string{chartHash: hash}},
			Spec: core.PodSpec{
				RestartPolicy: core.RestartPolicyOnFailure, ServiceAccountName: "helm-" + name,
				Containers: []core.Container{{
					Name: "helm", Image: first(spec.JobImage, c.s.one("helm-job-image"), helmImage), ImagePullPolicy: core.PullIfNotPresent,
					Args: []string{verb}, Env: env, TerminationMessagePolicy: core.TerminationMessageFallbackToLogsOnError,
					VolumeMounts: []core.VolumeMount{mount("content", "/chart"), mount("values", "/config"), mount("tmp", "/tmp")},
				}},
				Volumes: []core.Volume{
					{Name: "content", VolumeSource: core.VolumeSource{ConfigMap: &core.ConfigMapVolumeSource{LocalObjectReference: core.LocalObjectReference{Name: "chart-content-" + name}}}},
					{Name: "values", VolumeSource: core.VolumeSource{Secret: &core.SecretVolumeSource{SecretName: "chart-values-" + name}}},
					{Name: "tmp", VolumeSource: core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{}}},
				},
			},
		}},
	}
}

// lastWords is why the Job's pod did not come to a good end, or does not start.
func (c *charts) lastWords(ctx context.Context, job *batch.Job) string {
	pods, err := c.client.CoreV1().Pods(job.Namespace).List(ctx, meta.ListOptions{LabelSelector: "job-name=" + job.Name})
	if err != nil {
		return ""
	}
	for _, pod := range pods.Items {
		for _, status := range pod.Status.ContainerStatuses {
			for _, state := range []core.ContainerState{status.State, status.LastTerminationState} {
				if end := state.Terminated; end != nil && end.ExitCode != 0 {
					return strings.TrimSpace(end.Message)
				}
				if w := state.Waiting; w != nil && strings.Contains(w.Reason, "Image") {
					return w.Reason + ": " + w.Message
				}
			}
		}
	}
	return ""
}

// status writes jobName and conditions, where they are not what they are to be.
func (c *charts) status(ctx context.Context, chart *unstructured.Unstructured, job, reason, message string) error {
	condition := func(kind string, is bool, reason, message string) interface{} {
		status := map[bool]string{true: "True", false: "False"}[is]
		return map[string]interface{}{"type": kind, "status": status, "reason": reason, "message": message}
	}
	status := map[string]interface{}{"jobName": job, "conditions": []interface{}{
		condition("JobCreated", job != "", map[bool]string{true: "Job created", false: ""}[job != ""], ""), condition("Failed", reason != "", reason, message),
	}}
	want, err := json.Marshal(map[string]interface{}{"status": status})
	if err != nil {
		return err
	}
	have, err := json.Marshal(map[string]interface{}{"status": chart.Object["status"]})
	if err != nil || string(have) == string(want) {
		return err
	}
	_, err = c.objects.Resource(chartResource).Namespace(chart.GetNamespace()).Patch(ctx, chart.GetName(), types.MergePatchType, want, meta.PatchOptions{}, "status")
	return err
}
