//! What a cluster must show before it is called Ready, each condition with why it does not hold.

use std::time::Duration;

use serde::Serialize;
use steps::{Sink, Wait, chain, wait_for};
use tokio::task::JoinSet;

use crate::cluster::why_not_ready;
use crate::probe::{self, Answers};
use crate::{Cluster, K3sError, NodeStatus};

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// It was looked at and holds.
    Yes,
    /// It does not hold, or could not be looked at.
    No,
    /// This cluster has nothing to show it with.
    NotHere,
}

/// One condition as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// `api`, `nodes`, `workloads`, `images`, `dns` or `traffic`.
    pub name: &'static str,
    /// What it says, in words.
    pub what: &'static str,
    /// Whether it holds.
    pub shown: Shown,
    /// How it was seen, or why it does not hold.
    pub detail: String,
}

/// What a cluster is expected to consist of.
///
/// ```
/// let expected = k3s_bootstrap::Expected {
///     servers: vec!["https://192.168.6.10:6443".into()],
///     nodes: vec!["master".into(), "worker1".into()],
///     image: Some("docker.io/rancher/mirrored-library-busybox:1.36.1".into()),
/// };
/// assert_eq!(expected.nodes.len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// `https://ADDRESS:6443` of every server; empty: only the kubeconfig's own is asked.
    pub servers: Vec<String>,
    /// The names of all nodes.
    pub nodes: Vec<String>,
    /// An image in the registry with `sh`, `httpd`, `wget` and `nslookup`; short-lived pods are run from it, one or two on
    /// every node. `None`: what needs pods is not looked at.
    pub image: Option<String>,
}

const API: &str = "the API answers /readyz through every server";
const NODES: &str = "every node is Ready";
const WORKLOADS: &str = "the system's workloads are available";
const IMAGES: &str = "an image is pulled through the registry on every node";
const DNS: &str = "DNS is answered in the cluster";
const TRAFFIC: &str = "pods reach each other across nodes";

/// How long one round of pods may take before what is missing is told.
const ROUND: Duration = Duration::from_secs(25);

impl Condition {
    fn new(name: &'static str, what: &'static str, found: Result<String, String>) -> Self {
        let shown = if found.is_ok() { Shown::Yes } else { Shown::No };
        Self { name, what, shown, detail: found.unwrap_or_else(|why| why) }
    }

    fn not_here(name: &'static str, what: &'static str, why: &str) -> Self {
        Self { name, what, shown: Shown::NotHere, detail: format!("not shown here: {why}") }
    }

    /// Whether it is known not to hold.
    pub fn is_broken(&self) -> bool {
        self.shown == Shown::No
    }
}

impl Cluster {
    /// Looks at every condition once. With an image, short-lived pods run for it; otherwise nothing is changed.
    pub async fn conditions(&self, expected: &Expected) -> Vec<Condition> {
        let (mut conditions, alive) = self.by_api(expected).await;
        match &alive {
            Some((cluster, nodes)) => conditions.extend(cluster.by_pods(expected, nodes).await),
            None => {
                conditions.extend([("images", IMAGES), ("dns", DNS), ("traffic", TRAFFIC)].map(|(name, what)| {
                    Condition::new(name, what, Err("could not be looked at: no API answers".into()))
                }))
            }
        }
        conditions
    }

    /// The cluster through the first server that answers; `None` where none does.
    pub async fn answering(&self, expected: &Expected) -> Option<Self> {
        self.servers(expected).await.1
    }

    /// Waits until every condition holds that can be shown here; the one that does not is named with its last error.
    pub async fn wait_conditions(
        &self,
        expected: &Expected,
        deadline: Duration,
        sink: &dyn Sink,
    ) -> Result<Vec<Condition>, K3sError> {
        let start = tokio::time::Instant::now();
        let whole = |conditions: Vec<Condition>| match conditions.iter().find(|c| c.is_broken()) {
            Some(broken) => Err(format!("{}: {}", broken.what, broken.detail)),
            None => Ok(conditions),
        };
        let wait = Wait::new("a Ready cluster", deadline);
        let (mut conditions, cluster, nodes) = wait_for(wait, sink, || async {
            let (conditions, alive) = self.by_api(expected).await;
            let conditions = whole(conditions)?;
            alive.map(|(cluster, nodes)| (conditions, cluster, nodes)).ok_or_else(|| "no API answers".to_owned())
        })
        .await?;
        let left = deadline.saturating_sub(start.elapsed()).max(ROUND);
        let wait = Wait::new("a Ready cluster", left);
        conditions.extend(wait_for(wait, sink, || async { whole(cluster.by_pods(expected, &nodes).await) }).await?);
        Ok(conditions)
    }

    /// What the API says by itself; the cluster through a server that answers, and its nodes.
    async fn by_api(&self, expected: &Expected) -> (Vec<Condition>, Option<(Self, Vec<NodeStatus>)>) {
        let (found, answering) = self.servers(expected).await;
        let api = Condition::new("api", API, found);
        let Some(cluster) = answering else {
            let unknown = |name, what| Condition::new(name, what, Err("could not be looked at: no API answers".into()));
            return (vec![api, unknown("nodes", NODES), unknown("workloads", WORKLOADS)], None);
        };
        let nodes = cluster.nodes().await.map_err(|e| chain(&e));
        let ready = nodes.as_ref().map_err(Clone::clone).and_then(|nodes| {
            let missing: Vec<String> = expected.nodes.iter().filter_map(|name| why_not_ready(name, nodes)).collect();
            if missing.is_empty() { Ok(format!("{} nodes", expected.nodes.len())) } else { Err(missing.join("; ")) }
        });
        let workloads = cluster.workloads().await.unwrap_or_else(|e| Err(chain(&e)));
        let conditions =
            vec![api, Condition::new("nodes", NODES, ready), Condition::new("workloads", WORKLOADS, workloads)];
        (conditions, nodes.ok().map(|nodes| (cluster, nodes)))
    }

    /// Asks every server; the first one in order that answers is used from there on.
    async fn servers(&self, expected: &Expected) -> (Result<String, String>, Option<Self>) {
        let mut asked = JoinSet::new();
        let through = expected.servers.iter().map(|server| self.through(server));
        let clusters = if expected.servers.is_empty() { vec![Ok(self.clone())] } else { through.collect() };
        for (place, cluster) in clusters.into_iter().enumerate() {
            asked.spawn(async move {
                let answer = match &cluster {
                    Ok(cluster) => cluster.readyz().await.map_err(|e| chain(&e)),
                    Err(e) => Err(chain(e)),
                };
                (place, answer, cluster.ok())
            });
        }
        let mut answers = asked.join_all().await;
        answers.sort_by_key(|(place, ..)| *place);
        let all = answers.len();
        let silent: Vec<String> = answers.iter().filter_map(|(_, answer, _)| answer.clone().err()).collect();
        let first = answers.into_iter().find_map(|(_, answer, cluster)| answer.ok().and(cluster));
        (if silent.is_empty() { Ok(format!("{all} of {all}")) } else { Err(silent.join("; ")) }, first)
    }

    async fn by_pods(&self, expected: &Expected, nodes: &[NodeStatus]) -> Vec<Condition> {
        const NO_IMAGE: &str = "no image to run pods from";
        let Some(image) = &expected.image else {
            return [("images", IMAGES), ("dns", DNS), ("traffic", TRAFFIC)]
                .map(|(name, what)| Condition::not_here(name, what, NO_IMAGE))
                .into();
        };
        let names: Vec<&str> = nodes.iter().filter(|n| n.ready).map(|n| n.name.as_str()).collect();
        let dns = self.dns_address().await;
        let answers = match &dns {
            Ok(dns) => probe::ask(self, image, &names, dns.as_deref(), ROUND).await.unwrap_or_else(|e| {
                let all = |e: &K3sError| vec![Err(chain(e))];
                Answers { images: all(&e), dns: all(&e), traffic: all(&e) }
            }),
            Err(e) => Answers { images: vec![Err(chain(e))], dns: vec![Err(chain(e))], traffic: vec![Err(chain(e))] },
        };
        let all = |answers: Vec<Result<(), String>>, good: String| {
            let bad: Vec<String> = answers.into_iter().filter_map(Result::err).collect();
            if bad.is_empty() { Ok(good) } else { Err(bad.join("; ")) }
        };
        let asked = names.len();
        let images = Condition::new("images", IMAGES, all(answers.images, format!("{image} on {asked} nodes")));
        let dns = match dns {
            Ok(None) => Condition::not_here("dns", DNS, "the cluster has no service kube-system/kube-dns"),
            Ok(Some(ip)) => Condition::new("dns", DNS, all(answers.dns, format!("{ip} asked from {asked} nodes"))),
            Err(e) => Condition::new("dns", DNS, Err(chain(&e))),
        };
        let traffic = match asked {
            1 if expected.nodes.len() < 2 => Condition::not_here("traffic", TRAFFIC, "the cluster has one node"),
            _ => Condition::new("traffic", TRAFFIC, all(answers.traffic, format!("between {asked} nodes, both ways"))),
        };
        vec![images, dns, traffic]
    }
}
