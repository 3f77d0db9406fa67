//! Short-lived pods that show what the API alone cannot: a pull, a name, a way between nodes.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, Service};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};

use crate::cluster::pod_trouble;
use crate::{Cluster, K3sError};

const NAMESPACE: &str = "kube-system";
/// On every pod of ours; its value tells one run from another.
const LABEL: &str = "airlab.io/probe";
const PORT: u16 = 8099;
const LOOK: Duration = Duration::from_millis(300);
/// One that was left behind by a run that was killed is removed after this long.
const LEFT_BEHIND: i64 = 600;

/// The first process of a container hears SIGTERM only where it traps it; else a node that goes down waits 90 s for it.
const SERVE: &str =
    "trap 'kill $!; exit 0' TERM; echo \"$HOSTNAME\" > /tmp/index.html; httpd -f -p 8099 -h /tmp & wait";
/// Arguments are `NODE=URL`, all asked at once. Not every busybox has a `wget -T` that works, so a clock of its own ends each.
const REACH: &str = "exec 2> /dev/null
ask() {
  wget -q -O /dev/null \"${1#*=}\" & get=$!
  { sleep 5; kill $get; } &
  wait $get || { echo \"nothing from ${1%%=*}\"; return 1; }
}
asked= code=0
for peer; do ask \"$peer\" & asked=\"$asked $!\"; done
for pid in $asked; do wait \"$pid\" || code=1; done
exit $code";
const NAME: &str = "kubernetes.default.svc.cluster.local";

/// One answer a node for each question, also for a node that could not be asked.
pub(crate) struct Answers {
    pub(crate) images: Vec<Result<(), String>>,
    pub(crate) dns: Vec<Result<(), String>>,
    pub(crate) traffic: Vec<Result<(), String>>,
}

/// Whether a pod is one of these.
pub(crate) fn is_probe(pod: &Pod) -> bool {
    pod.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(LABEL))
}

impl Cluster {
    /// The address of the cluster's DNS, if it has one.
    pub(crate) async fn dns_address(&self) -> Result<Option<String>, K3sError> {
        let services = Api::<Service>::namespaced(self.client(), NAMESPACE);
        let service = services.get_opt("kube-dns").await.map_err(self.api("get the service kube-dns"))?;
        Ok(service.and_then(|s| s.spec?.cluster_ip))
    }
}

/// Runs a page on every one of these nodes from the image, pulled anew; then from each of them asks for the others' pages
/// and for a name. What is not there within `round` is told; every pod is removed at the end.
pub(crate) async fn ask(
    cluster: &Cluster,
    image: &str,
    nodes: &[&str],
    dns: Option<&str>,
    round: Duration,
) -> Result<Answers, K3sError> {
    let run = Run::new(cluster);
    run.sweep().await?;
    let answers = run.ask(image, nodes, dns, round).await;
    let removed = run.pods.delete_collection(&DeleteParams::default(), &run.mine()).await;
    removed.map_err(cluster.api("remove the pods of the check"))?;
    answers
}

struct Run<'a> {
    cluster: &'a Cluster,
    pods: Api<Pod>,
    id: String,
}

impl<'a> Run<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = format!("{:x}", now.as_micros() as u64 ^ u64::from(std::process::id()) << 40);
        Self { cluster, pods: Api::namespaced(cluster.client(), NAMESPACE), id }
    }

    fn mine(&self) -> ListParams {
        ListParams::default().labels(&format!("{LABEL}={}", self.id))
    }

    async fn sweep(&self) -> Result<(), K3sError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs().cast_signed());
        for pod in self.list(&ListParams::default().labels(LABEL)).await? {
            let made = pod.metadata.creation_timestamp.as_ref().map_or(now, |t| t.0.as_second());
            if let (Some(name), true) = (&pod.metadata.name, now - made > LEFT_BEHIND) {
                // somebody else may have been quicker
                let _ = self.pods.delete(name, &DeleteParams::default()).await;
            }
        }
        Ok(())
    }

    async fn list(&self, which: &ListParams) -> Result<Vec<Pod>, K3sError> {
        Ok(self.pods.list(which).await.map_err(self.cluster.api("list the pods of the check"))?.items)
    }

    async fn create(&self, kind: &str, node: &str, containers: Value) -> Result<(), K3sError> {
        let pod = pod(&self.id, kind, node, containers);
        let doing = self.cluster.api("run a pod for the check");
        let bad = |e| K3sError::Kubeconfig { source: Box::new(e) };
        let pod: Pod = serde_json::from_value(pod).map_err(bad)?;
        self.pods.create(&PostParams::default(), &pod).await.map_err(doing)?;
        Ok(())
    }

    /// Looks at the pods of this kind until each has an answer or the time is over.
    async fn until<T>(
        &self,
        kind: &str,
        count: usize,
        round: Duration,
        answer: impl Fn(&Pod) -> Option<T>,
    ) -> Result<BTreeMap<String, Result<T, String>>, K3sError> {
        let end = tokio::time::Instant::now() + round;
        let which = ListParams::default().labels(&format!("{LABEL}={},{LABEL}-kind={kind}", self.id));
        loop {
            let pods = self.list(&which).await?;
            let mut found = BTreeMap::new();
            for pod in &pods {
                let node = pod.spec.as_ref().and_then(|s| s.node_name.clone()).unwrap_or_default();
                let late = tokio::time::Instant::now() >= end;
                if let Some(answer) = answer(pod) {
                    found.insert(node, Ok(answer));
                } else if let Some(why) = refused(pod).or_else(|| late.then(|| slow(pod, round))) {
                    found.insert(node.clone(), Err(format!("{node}: {why}")));
                }
            }
            if found.len() >= count || tokio::time::Instant::now() >= end {
                return Ok(found);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn ask(&self, image: &str, nodes: &[&str], dns: Option<&str>, round: Duration) -> Result<Answers, K3sError> {
        for node in nodes {
            let serve = json!([{"name": "serve", "image": image, "imagePullPolicy": "Always",
                "command": ["sh", "-c", SERVE], "ports": [{"containerPort": PORT}]}]);
            self.create("serve", node, serve).await?;
        }
        let serving = self.until("serve", nodes.len(), round, address).await?;
        let pages: Vec<(&String, &String)> =
            serving.iter().filter_map(|(node, ip)| Some((node, ip.as_ref().ok()?))).collect();
        for (node, _) in &pages {
            let peers = pages.iter().filter(|(n, _)| n != node).map(|(n, ip)| format!("{n}=http://{ip}:{PORT}/"));
            let reach: Vec<String> = ["sh", "-c", REACH, "sh"].map(str::to_owned).into_iter().chain(peers).collect();
            let asking = |name: &str, command: Value| {
                json!({"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "command": command,
                    "terminationMessagePolicy": "FallbackToLogsOnError"})
            };
            let mut containers = vec![asking("traffic", json!(reach))];
            containers.extend(dns.map(|ip| asking("dns", json!(["nslookup", NAME, ip]))));
            self.create("ask", node, json!(containers)).await?;
        }
        let asked = self.until("ask", pages.len(), round, ended).await?;
        let of = |name: &str| {
            let silent = nodes.iter().filter(|node| !asked.contains_key(**node));
            let silent = silent.map(|node| Err(format!("{node} was not asked: no pod of ours runs there")));
            asked
                .iter()
                .map(|(node, ends)| match ends {
                    Err(why) => Err(why.clone()),
                    Ok(ends) => ends.get(name).map_or(Ok(()), |end| match end {
                        Ok(()) => Ok(()),
                        Err(said) => Err(format!("from {node}: {said}")),
                    }),
                })
                .chain(silent)
                .collect()
        };
        let (dns, traffic) = (of("dns"), of("traffic"));
        Ok(Answers { images: serving.into_values().map(|r| r.map(drop)).collect(), dns, traffic })
    }
}

fn pod(run: &str, kind: &str, node: &str, containers: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("airlab-{kind}-{node}-{run}"), "labels": {LABEL: run, format!("{LABEL}-kind"): kind}},
        "spec": {
            "nodeName": node, "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "activeDeadlineSeconds": 120,
            "automountServiceAccountToken": false, "enableServiceLinks": false,
            "tolerations": [{"operator": "Exists"}], "containers": containers,
        }
    })
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten())
}

/// The address of a pod whose container runs.
fn address(pod: &Pod) -> Option<String> {
    let runs = statuses(pod).any(|c| c.state.as_ref().is_some_and(|s| s.running.is_some()));
    pod.status.as_ref()?.pod_ip.clone().filter(|_| runs)
}

/// How each container of a pod ended, once all have.
fn ended(pod: &Pod) -> Option<BTreeMap<String, Result<(), String>>> {
    let all = pod.spec.as_ref()?.containers.len();
    let ends: BTreeMap<String, Result<(), String>> = statuses(pod)
        .filter_map(|c| {
            let end = c.state.as_ref()?.terminated.as_ref()?;
            let said = end.message.clone().or_else(|| end.reason.clone()).unwrap_or_default();
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            Some((c.name.clone(), if end.exit_code == 0 { Ok(()) } else { Err(said) }))
        })
        .collect();
    (ends.len() == all).then_some(ends)
}

/// What a pod waits for and will not get soon.
fn refused(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if let (Some("Failed"), Some(reason)) = (status.phase.as_deref(), &status.reason) {
        return Some(format!("{reason}: {}", status.message.clone().unwrap_or_default()));
    }
    let trouble = pod_trouble(pod)?;
    Some(format!("{}: {}", trouble.reason, trouble.message))
}

fn slow(pod: &Pod, after: Duration) -> String {
    let phase = pod.status.as_ref().and_then(|s| s.phase.clone()).unwrap_or_default();
    let name = pod.metadata.name.clone().unwrap_or_default();
    format!("the pod {name} is {phase} after {} s", after.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: Value) -> Pod {
        let mut pod = pod("7", "ask", "worker1", json!([{"name": "traffic"}, {"name": "dns"}]));
        pod["status"] = status;
        serde_json::from_value(pod).unwrap()
    }

    fn container(name: &str, state: Value) -> Value {
        json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state})
    }

    #[test]
    fn each_container_answers_for_itself_and_only_when_all_have_ended() {
        let good = container("traffic", json!({"terminated": {"exitCode": 0, "reason": "Completed"}}));
        let bad = json!({"terminated": {"exitCode": 1, "reason": "Error", "message": ";; connection timed out\n\n no servers"}});
        assert_eq!(ended(&seen(json!({"containerStatuses": [good]}))), None);
        let ends = ended(&seen(json!({"containerStatuses": [good, container("dns", bad)]}))).unwrap();
        assert_eq!(ends["traffic"], Ok(()));
        assert_eq!(ends["dns"], Err(";; connection timed out no servers".to_owned()));
    }

    #[test]
    fn a_pull_that_fails_is_told_at_once_and_a_slow_one_is_waited_for() {
        let waiting = |reason: &str| {
            let state = json!({"waiting": {"reason": reason, "message": "not found"}});
            seen(json!({"containerStatuses": [container("dns", state)]}))
        };
        assert_eq!(refused(&waiting("ErrImagePull")).unwrap(), "ErrImagePull: not found");
        assert_eq!(refused(&waiting("ContainerCreating")), None);
        assert!(is_probe(&waiting("ErrImagePull")));
    }
}
