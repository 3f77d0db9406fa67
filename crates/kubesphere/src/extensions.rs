//! Monitoring and logging: InstallPlans, each after what it needs, with values for a lab.

use std::collections::BTreeSet;
use std::time::Duration;

use kubeapi::{Api, Place, Selection};
use serde::Serialize;
use serde_json::{Value, json};
use steps::{Event, Sink, Wait};

use crate::findings::text;
use crate::telling::telling;
use crate::{KubeSphereError, MANAGER};

const GROUP: &str = "kubesphere.io/v1alpha1";

/// How much of KubeSphere is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Console, users, API.
    #[default]
    Core,
    /// The core with monitoring.
    Monitoring,
    /// The core with logging.
    Logging,
    /// Everything.
    Full,
}

impl Profile {
    /// Every profile, from the smallest.
    pub const ALL: [Self; 4] = [Self::Core, Self::Monitoring, Self::Logging, Self::Full];

    /// What its pods need, in MiB, with the values of [`Extension::lab`]: an estimate from what they ask for.
    pub fn memory_mib(self) -> u64 {
        let extensions: u64 = self.extensions().iter().map(|e| e.memory_mib).sum();
        1536 + extensions
    }

    /// Its extensions in the order of their needs.
    pub fn extensions(self) -> Vec<Extension> {
        let wanted: &[&str] = match self {
            Self::Core => &[],
            Self::Monitoring => &["whizard-monitoring"],
            Self::Logging => &["whizard-logging"],
            Self::Full => &["whizard-monitoring", "whizard-logging"],
        };
        ordered(&Extension::lab(), wanted).unwrap_or_default()
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Core => "core",
            Self::Monitoring => "monitoring",
            Self::Logging => "logging",
            Self::Full => "full",
        })
    }
}

/// An extension of KubeSphere with what it needs and its values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extension {
    /// Its name, and that of its InstallPlan.
    pub name: String,
    /// The exact version.
    pub version: String,
    /// Extensions that have to be installed before.
    pub needs: Vec<String>,
    /// Whether its agent runs on clusters that have to be named.
    pub multicluster: bool,
    /// Its values, smaller than its own where a lab wants them so.
    pub config: Value,
    /// What its pods need with them, in MiB: an estimate.
    pub memory_mib: u64,
}

impl Extension {
    /// The extensions of monitoring and logging in the versions that belong to KubeSphere 4.1.3, sized for a lab.
    pub fn lab() -> Vec<Self> {
        let of = |name: &str, version: &str, needs: &[&str], multicluster, memory_mib, config| Self {
            name: name.to_owned(),
            version: version.to_owned(),
            needs: needs.iter().map(|n| (*n).to_owned()).collect(),
            multicluster,
            config,
            memory_mib,
        };
        let prometheus = json!({"kube-prometheus-stack": {"prometheus": {"prometheusSpec": {
            "retention": "2d",
            "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1536Mi"}},
            "storageSpec": {"volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": "5Gi"}}}}},
        }}}});
        let node = |heap: &str, limit: &str| {
            json!({
                "replicas": 1,
                "opensearchJavaOpts": format!("-Xmx{heap} -Xms{heap}"),
                "resources": {"requests": {"cpu": "100m", "memory": limit}},
                "persistence": {"size": "5Gi"},
            })
        };
        let opensearch = json!({"opensearch-master": node("512M", "768Mi"), "opensearch-data": node("512M", "1Gi")});
        vec![
            of("whizard-telemetry", "1.2.2", &[], false, 256, json!({})),
            of("whizard-monitoring", "1.1.1", &["whizard-telemetry"], true, 1792, prometheus),
            of("opensearch", "2.11.1", &[], true, 2560, opensearch),
            of("vector", "1.0.4", &["opensearch"], true, 768, json!({})),
            of("whizard-logging", "1.2.2", &["whizard-telemetry", "vector"], true, 256, json!({})),
        ]
    }

    /// The object that asks for it.
    pub fn install_plan(&self) -> Result<Value, KubeSphereError> {
        let made = |e: &dyn std::fmt::Display| KubeSphereError::Made { what: format!("values of {}: {e}", self.name) };
        let mut spec = json!({
            "extension": {"name": self.name, "version": self.version},
            "enabled": true,
            "upgradeStrategy": "Manual",
        });
        if self.config.as_object().is_some_and(|config| !config.is_empty()) {
            spec["config"] = serde_saphyr::to_string(&self.config).map_err(|e| made(&e))?.into();
        }
        if self.multicluster {
            spec["clusterScheduling"] = json!({"placement": {"clusters": ["host"]}});
        }
        Ok(json!({"apiVersion": GROUP, "kind": "InstallPlan", "metadata": {"name": self.name}, "spec": spec}))
    }
}

/// What is wanted with all it needs, each after its needs.
pub(crate) fn ordered(known: &[Extension], wanted: &[&str]) -> Result<Vec<Extension>, KubeSphereError> {
    fn visit<'a>(
        name: &str,
        known: &'a [Extension],
        under_way: &mut BTreeSet<String>,
        done: &mut Vec<&'a Extension>,
    ) -> Result<(), KubeSphereError> {
        let wrong = |reason: &str| KubeSphereError::Extension { name: name.to_owned(), reason: reason.to_owned() };
        if done.iter().any(|e| e.name == name) {
            return Ok(());
        }
        let extension = known.iter().find(|e| e.name == name).ok_or_else(|| wrong("it is not known"))?;
        if !under_way.insert(name.to_owned()) {
            return Err(wrong("it needs itself"));
        }
        for need in &extension.needs {
            visit(need, known, under_way, done)?;
        }
        done.push(extension);
        Ok(())
    }
    let (mut under_way, mut done) = (BTreeSet::new(), Vec::new());
    for name in wanted {
        visit(name, known, &mut under_way, &mut done)?;
    }
    Ok(done.into_iter().cloned().collect())
}

/// Installs extensions one after the other; what is installed as wanted is left alone. One that gets stuck is explained
/// by [`crate::KubeSphereError::Stuck`]. Gives back the names of those that were changed.
pub async fn ensure_extensions(
    api: &Api,
    extensions: &[Extension],
    deadline: Duration,
    sink: &dyn Sink,
) -> Result<Vec<String>, KubeSphereError> {
    let mut changed = Vec::new();
    let total = extensions.len() as u64;
    for (done, extension) in extensions.iter().enumerate() {
        let step = "extensions".to_owned();
        sink.emit(Event::Progress { step, done: done as u64, total: Some(total), unit: "extensions" });
        let offered = Place::new(GROUP, "ExtensionVersion", &format!("{}-{}", extension.name, extension.version));
        let what = format!("extension {} {} offered by a repository", extension.name, extension.version);
        let there = |objects: &[kubeapi::DynamicObject]| {
            objects.first().map(|_| ()).ok_or_else(|| "not offered yet".to_owned())
        };
        api.wait_until(&Selection::one(&offered), Wait::new(what, deadline), sink, there).await?;
        let plan = extension.install_plan()?;
        let applied = api.apply(&plan, MANAGER).await?;
        if applied.changed() {
            changed.push(extension.name.clone());
        }
        telling(api, "extensions", sink, installed(api, extension, deadline, sink)).await?;
    }
    Ok(changed)
}

async fn installed(
    api: &Api,
    extension: &Extension,
    deadline: Duration,
    sink: &dyn Sink,
) -> Result<(), KubeSphereError> {
    let place = Place::new(GROUP, "InstallPlan", &extension.name);
    let wait = Wait::new(format!("extension {} installed", extension.name), deadline);
    let state = |objects: &[kubeapi::DynamicObject]| {
        let state = objects.first().map(|plan| text(&plan.data["status"]["state"])).unwrap_or_default();
        let version = objects.first().map(|plan| text(&plan.data["status"]["version"])).unwrap_or_default();
        match state.as_str() {
            // an older controller does not say which version
            "Installed" | "Upgraded" if version.is_empty() || version == extension.version => Ok(true),
            failed if failed.ends_with("Failed") => Ok(false),
            "" => Err("its controller has not begun".to_owned()),
            other => Err(other.to_owned()),
        }
    };
    match api.wait_until(&Selection::one(&place), wait, sink, state).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(crate::status::explained(api, &place.to_string()).await?.unwrap_or(KubeSphereError::Extension {
                name: extension.name.clone(),
                reason: "its installation failed".into(),
            }))
        }
        Err(kubeapi::ApiError::TimedOut(late)) => {
            Err(crate::status::explained(api, &place.to_string()).await?.unwrap_or(late.into()))
        }
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_after_what_it_needs() {
        let names = |profile: Profile| profile.extensions().into_iter().map(|e| e.name).collect::<Vec<_>>();
        assert_eq!(names(Profile::Core), [""; 0]);
        assert_eq!(names(Profile::Monitoring), ["whizard-telemetry", "whizard-monitoring"]);
        assert_eq!(names(Profile::Logging), ["whizard-telemetry", "opensearch", "vector", "whizard-logging"]);
        assert_eq!(names(Profile::Full)[..2], ["whizard-telemetry", "whizard-monitoring"]);
        assert_eq!(names(Profile::Full).len(), 5);
    }

    #[test]
    fn a_circle_and_a_stranger_are_refused() {
        let mut known = Extension::lab();
        known[0].needs = vec!["whizard-monitoring".into()];
        assert!(ordered(&known, &["whizard-monitoring"]).unwrap_err().to_string().ends_with("it needs itself"));
        assert!(ordered(&known, &["grafana"]).is_err());
    }

    #[test]
    fn plans_of_the_full_profile() {
        let plans: Vec<Value> = Profile::Full.extensions().iter().map(|e| e.install_plan().unwrap()).collect();
        insta::assert_snapshot!("install_plans", serde_json::to_string_pretty(&plans).unwrap());
    }
}
