//! The system's own workloads. `apps/v1` and `batch/v1` are the same from 1.20 to 1.33.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;

use crate::{Cluster, K3sError};

const NAMESPACE: &str = "kube-system";
/// What becomes of k3s's packaged manifests, by the name of their `Addon`.
const ADDONS: &[(&str, &str)] = &[
    ("coredns", "coredns"),
    ("local-storage", "local-path-provisioner"),
    ("metrics-server-deployment", "metrics-server"),
    ("traefik", "traefik"),
];

/// A workload: its kind and name, how many it should have, how many it has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Workload {
    kind: &'static str,
    name: String,
    wanted: i32,
    there: i32,
}

impl Cluster {
    /// Whether everything of the system's in `kube-system` is available, and every packaged component of k3s that is switched on is there.
    pub(crate) async fn workloads(&self) -> Result<Result<String, String>, K3sError> {
        let all = ListParams::default();
        let doing = || self.api("list the system's workloads");
        let client = || self.client();
        let deployments = Api::<Deployment>::namespaced(client(), NAMESPACE).list(&all).await.map_err(doing())?;
        let daemons = Api::<DaemonSet>::namespaced(client(), NAMESPACE).list(&all).await.map_err(doing())?;
        let sets = Api::<StatefulSet>::namespaced(client(), NAMESPACE).list(&all).await.map_err(doing())?;
        let jobs = Api::<Job>::namespaced(client(), NAMESPACE).list(&all).await.map_err(doing())?;
        let mut found: Vec<Workload> = deployments.items.iter().map(deployment).collect();
        found.extend(daemons.items.iter().map(daemon_set));
        found.extend(sets.items.iter().map(stateful_set));
        let addons = self.addons().await?;
        found.extend(jobs.items.iter().filter(|j| is_systems(j, &addons)).map(job));
        Ok(judge(&found, &addons))
    }

    /// The names of k3s's packaged components; none where the API does not know them.
    async fn addons(&self) -> Result<Vec<String>, K3sError> {
        let kind = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("k3s.cattle.io", "v1", "Addon"), "addons");
        let api = Api::<DynamicObject>::namespaced_with(self.client(), NAMESPACE, &kind);
        match api.list(&ListParams::default()).await {
            Ok(list) => Ok(list.items.into_iter().filter_map(|a| a.metadata.name).collect()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
            Err(e) => Err(self.api("list k3s's packaged components")(e)),
        }
    }
}

fn judge(found: &[Workload], addons: &[String]) -> Result<String, String> {
    let short = found.iter().filter(|w| w.there < w.wanted);
    let mut missing: Vec<String> =
        short.map(|w| format!("{} {NAMESPACE}/{}: {} of {}", w.kind, w.name, w.there, w.wanted)).collect();
    let expected = ADDONS.iter().filter(|(addon, _)| addons.iter().any(|a| a == addon));
    let absent = expected.filter(|(_, name)| !found.iter().any(|w| w.kind == "deployment" && w.name == *name));
    missing.extend(absent.map(|(addon, name)| format!("deployment {NAMESPACE}/{name} of {addon} is not there yet")));
    if missing.is_empty() { Ok(format!("{} in {NAMESPACE}", found.len())) } else { Err(missing.join("; ")) }
}

fn deployment(d: &Deployment) -> Workload {
    let wanted = d.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
    let there = d.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0);
    Workload { kind: "deployment", name: d.metadata.name.clone().unwrap_or_default(), wanted, there }
}

fn daemon_set(d: &DaemonSet) -> Workload {
    let wanted = d.status.as_ref().map_or(0, |s| s.desired_number_scheduled);
    let there = d.status.as_ref().and_then(|s| s.number_available).unwrap_or(0);
    Workload { kind: "daemonset", name: d.metadata.name.clone().unwrap_or_default(), wanted, there }
}

fn stateful_set(s: &StatefulSet) -> Workload {
    let wanted = s.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
    let there = s.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0);
    Workload { kind: "statefulset", name: s.metadata.name.clone().unwrap_or_default(), wanted, there }
}

/// The namespace is also where people's own HelmCharts live, KubeSphere's too: whether those are installed says nothing
/// about the cluster. `traefik-crd` belongs to the component `traefik`.
fn is_systems(job: &Job, addons: &[String]) -> bool {
    let Some(chart) = job.metadata.labels.as_ref().and_then(|l| l.get("helmcharts.helm.cattle.io/chart")) else {
        return true;
    };
    addons.iter().any(|addon| chart.strip_prefix(addon.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('-')))
}

/// A job is wanted once, however many tries it takes.
fn job(j: &Job) -> Workload {
    let there = j.status.as_ref().and_then(|s| s.succeeded).unwrap_or(0);
    Workload { kind: "job", name: j.metadata.name.clone().unwrap_or_default(), wanted: 1, there }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_of_somebodys_own_chart_is_not_the_systems() {
        let addons = ["ccm", "traefik"].map(str::to_owned);
        let of = |chart: Option<&str>| {
            let mut job = Job::default();
            job.metadata.labels = chart.map(|c| [("helmcharts.helm.cattle.io/chart".to_owned(), c.to_owned())].into());
            is_systems(&job, &addons)
        };
        assert!(of(None) && of(Some("traefik")) && of(Some("traefik-crd")));
        assert!(!of(Some("ks-core")) && !of(Some("traefiker")));
    }

    #[test]
    fn what_is_short_and_what_is_missing_is_named() {
        let coredns = |there| Workload { kind: "deployment", name: "coredns".into(), wanted: 1, there };
        let addons = ["ccm", "coredns", "traefik"].map(str::to_owned);
        let why = judge(&[coredns(0)], &addons).unwrap_err();
        assert!(why.contains("coredns: 0 of 1") && why.contains("kube-system/traefik of traefik"), "{why}");
        assert_eq!(judge(&[coredns(1)], &addons[..2]).unwrap(), "1 in kube-system");
        assert_eq!(judge(&[], &[]).unwrap(), "0 in kube-system");
    }
}
