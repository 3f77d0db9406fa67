//! The core: applied, waited for, seen to answer.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubeapi::{Api, ApiError, Place, Selection};
use serde_json::{Value, json};
use steps::{Event, Outcome, Sink, Wait, chain, wait_for};

use crate::findings::{WORKLOADS, text};
use crate::release::{CHARTS, helm_chart};
use crate::status::{explained, status};
use crate::telling::telling;
use crate::{Chart, KubeSphereError, MANAGER, NAMESPACE, Release, Values};

/// What is to be installed.
#[derive(Debug, Clone)]
pub struct Core {
    /// The chart. One that does not fit into an object must be on every server already ([`crate::Delivery`]).
    pub chart: Chart,
    /// Its values.
    pub values: Values,
    /// How long all of it may take.
    pub deadline: Duration,
}

/// What an install did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Installed {
    /// Whether anything is different now.
    pub changed: bool,
    /// Helm's revision.
    pub revision: u64,
}

/// Makes the core what it is to be, and waits until it serves: Helm says deployed, with this chart and these values; its
/// Deployments are available; `/healthz` answers through the API. A second run changes nothing. A stuck install is
/// explained by [`KubeSphereError::Stuck`].
pub async fn ensure_core(api: &Api, core: &Core, sink: &dyn Sink) -> Result<Installed, KubeSphereError> {
    let (step, start) = ("kubesphere".to_owned(), Instant::now());
    sink.emit(Event::Started { step: step.clone() });
    if !api.serves("helm.cattle.io/v1", "HelmChart").await? {
        return Err(KubeSphereError::NoController);
    }
    let object = helm_chart(&core.chart, &core.values)?;
    let mut changed = api.apply(&object, MANAGER).await?.changed();
    let left = || core.deadline.saturating_sub(start.elapsed()).max(Duration::from_secs(1));
    let work = async {
        let revision = released(api, core, left(), sink).await?;
        available(api, left(), sink).await?;
        serving(api, left(), sink).await?;
        let changed = quiet(api).await?;
        Ok::<_, KubeSphereError>((revision, settled(api, left(), sink).await? || changed))
    };
    let (revision, more) = telling(api, &step, sink, work).await?;
    changed |= more;
    let outcome = if changed { Outcome::Changed(format!("revision {revision}")) } else { Outcome::Unchanged };
    sink.emit(Event::Finished { step, outcome, took: start.elapsed() });
    Ok(Installed { changed, revision })
}

/// Helm's own word: the newest release is ours, whole. One that failed after we asked ends the wait.
async fn released(api: &Api, core: &Core, deadline: Duration, sink: &dyn Sink) -> Result<u64, KubeSphereError> {
    let releases = Selection::all("v1", "Secret").within(NAMESPACE).labelled("owner=helm,name=ks-core");
    let wait = Wait::new("the release ks-core", deadline);
    let judge = |secrets: &[kubeapi::DynamicObject]| {
        let Some(release) = Release::newest(secrets) else { return Err("Helm has not begun".to_owned()) };
        match release.lacks(&core.chart, &core.values) {
            Ok(None) => Ok(Ok(release.revision)),
            // with `abort` nobody tries again
            Ok(Some(_)) if release.status == "failed" => Ok(Err(failed(&release))),
            Ok(Some(what)) => Err(what),
            Err(e) => Ok(Err(e)),
        }
    };
    let ended = api.wait_until(&releases, wait, sink, judge).await;
    match ended {
        Ok(revision) => revision,
        Err(ApiError::TimedOut(late)) => Err(explained(api, "").await?.unwrap_or(late.into())),
        Err(e) => Err(e.into()),
    }
}

fn failed(release: &Release) -> KubeSphereError {
    KubeSphereError::Stuck {
        object: format!("Helm release {}, revision {}", Chart::NAME, release.revision),
        image: String::new(),
        cause: release.description.clone(),
        others: String::new(),
    }
}

async fn available(api: &Api, deadline: Duration, sink: &dyn Sink) -> Result<(), KubeSphereError> {
    let deployments = Selection::all("apps/v1", "Deployment").within(NAMESPACE);
    let wait = Wait::new("KubeSphere's workloads", deadline);
    let judge = |objects: &[kubeapi::DynamicObject]| {
        let missing: Vec<String> = WORKLOADS.iter().filter_map(|wanted| why_not(wanted, objects)).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing.join("; ")) }
    };
    match api.wait_until(&deployments, wait, sink, judge).await {
        Ok(()) => Ok(()),
        Err(ApiError::TimedOut(late)) => Err(explained(api, "").await?.unwrap_or(late.into())),
        Err(e) => Err(e.into()),
    }
}

fn why_not(wanted: &str, objects: &[kubeapi::DynamicObject]) -> Option<String> {
    let Some(found) = objects.iter().find(|o| o.metadata.name.as_deref() == Some(wanted)) else {
        return Some(format!("{wanted} is not there"));
    };
    let status = &found.data["status"];
    let (replicas, updated) =
        (found.data["spec"]["replicas"].as_u64().unwrap_or(1), status["updatedReplicas"].as_u64());
    if status["observedGeneration"].as_i64() < found.metadata.generation || updated.unwrap_or(0) < replicas {
        return Some(format!("{wanted} is being rolled out"));
    }
    let available = status["availableReplicas"].as_u64().unwrap_or(0);
    (available < replicas).then(|| format!("{wanted}: {available} of {replicas} available"))
}

/// ks-apiserver has no readiness probe: "available" is not "serving".
async fn serving(api: &Api, deadline: Duration, sink: &dyn Sink) -> Result<(), KubeSphereError> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/services/ks-apiserver:80/proxy/healthz");
    let wait = Wait::new("ks-apiserver's /healthz", deadline);
    wait_for(wait, sink, || async { api.text(&path).await.map_err(|e| chain(&e)) }).await?;
    Ok(())
}

/// Telemetry off. The chart ignores its own value and writes a Secret that says on, unless one is there: so the Secret is
/// changed, which later upgrades keep.
async fn quiet(api: &Api) -> Result<bool, KubeSphereError> {
    let place = Place::new("v1", "Secret", "io.kubesphere.config.platformconfig.telemetry").within(NAMESPACE);
    let Some(secret) = api.get(&place).await? else { return Ok(false) };
    let packed = secret.data["data"]["configuration.yaml"].as_str().unwrap_or_default();
    let Some(text) = without_telemetry(packed) else { return Ok(false) };
    let data = json!({"data": {"configuration.yaml": STANDARD.encode(text)}});
    Ok(api.merge(&place, &data).await?)
}

/// The same configuration with `enabled: false`; none when it says so already.
fn without_telemetry(packed: &str) -> Option<String> {
    let text = STANDARD.decode(packed).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
    let mut config: Value = serde_saphyr::from_str(&text).ok().filter(Value::is_object)?;
    if config["enabled"] == false {
        return None;
    }
    config["enabled"] = false.into();
    serde_saphyr::to_string(&config).ok()
}

/// The administrator is active under the generated password, and it is the final one: as long as the account is marked
/// uninitialized, the console asks for another.
async fn settled(api: &Api, deadline: Duration, sink: &dyn Sink) -> Result<bool, KubeSphereError> {
    let place = Place::new("iam.kubesphere.io/v1beta1", "User", "admin");
    let wait = Wait::new("the user admin", deadline);
    let active = |objects: &[kubeapi::DynamicObject]| {
        let Some(user) = objects.first() else { return Err("there is none yet".to_owned()) };
        match text(&user.data["status"]["state"]).as_str() {
            "Active" => Ok(()),
            state => Err(format!("its state is {state:?}")),
        }
    };
    match api.wait_until(&Selection::one(&place), wait, sink, active).await {
        Ok(()) => {}
        Err(ApiError::TimedOut(late)) => return Err(explained(api, "").await?.unwrap_or(late.into())),
        Err(e) => return Err(e.into()),
    }
    let mark = json!({"metadata": {"annotations": {"iam.kubesphere.io/uninitialized": null}}});
    Ok(api.merge(&place, &mark).await?)
}

/// Whether KubeSphere's chart has been given to this cluster.
pub(crate) async fn asked_for(api: &Api) -> Result<bool, KubeSphereError> {
    let place = Place::new("helm.cattle.io/v1", "HelmChart", Chart::NAME).within(CHARTS);
    Ok(api.get(&place).await?.is_some() || status(api).await?.release.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telemetry_is_switched_off_once() {
        let on = STANDARD.encode("enabled: true\nendpoint: https://telemetry.example\n");
        let off = without_telemetry(&on).unwrap();
        assert!(off.contains("enabled: false") && off.contains("endpoint:"), "{off}");
        assert_eq!(without_telemetry(&STANDARD.encode(off)), None);
        assert_eq!(without_telemetry("%%%"), None);
    }

    #[test]
    fn a_rollout_under_way_is_not_available() {
        let object = |generation: i64, updated: u64, available: u64| -> kubeapi::DynamicObject {
            serde_json::from_value(
                json!({"metadata": {"name": "ks-console", "generation": generation}, "spec": {"replicas": 1},
                "status": {"observedGeneration": 2, "updatedReplicas": updated, "availableReplicas": available}}),
            )
            .unwrap()
        };
        assert_eq!(why_not("ks-console", &[object(2, 1, 1)]), None);
        assert_eq!(why_not("ks-console", &[object(3, 1, 1)]).unwrap(), "ks-console is being rolled out");
        assert_eq!(why_not("ks-console", &[object(2, 0, 1)]).unwrap(), "ks-console is being rolled out");
        assert_eq!(why_not("ks-console", &[object(2, 1, 0)]).unwrap(), "ks-console: 0 of 1 available");
        assert_eq!(why_not("ks-console", &[]).unwrap(), "ks-console is not there");
    }
}
