//! Taking KubeSphere out again: extensions in reverse, then the chart, then its namespace.

use std::time::Duration;

use kubeapi::{Api, DynamicObject, Place, Selection};
use steps::{Event, Sink, Wait};

use crate::core::asked_for;
use crate::extensions::Extension;
use crate::findings::name;
use crate::release::CHARTS;
use crate::{Chart, KubeSphereError, NAMESPACE};

/// Removes everything that [`crate::ensure_core`] and [`crate::ensure_extensions`] have installed, data included; says
/// what is gone. On a cluster without KubeSphere it does nothing.
pub async fn remove(api: &Api, deadline: Duration, sink: &dyn Sink) -> Result<Vec<String>, KubeSphereError> {
    let mut gone = Vec::new();
    let order: Vec<String> = Extension::lab().into_iter().map(|e| e.name).collect();
    let mut plans = api.list("kubesphere.io/v1alpha1", "InstallPlan", None).await?;
    // what nobody needs goes first; strangers before ours
    plans.sort_by_key(|plan| std::cmp::Reverse(order.iter().position(|n| *n == name(plan)).unwrap_or(usize::MAX)));
    for plan in plans {
        let place = Place::new("kubesphere.io/v1alpha1", "InstallPlan", &name(&plan));
        api.delete(&place).await?;
        absent(api, &place, deadline, sink).await?;
        gone.push(place.to_string());
    }
    if !asked_for(api).await? {
        return Ok(gone);
    }
    let chart = Place::new("helm.cattle.io/v1", "HelmChart", Chart::NAME).within(CHARTS);
    if api.delete(&chart).await? {
        // its controller runs `helm uninstall` before it lets the object go
        absent(api, &chart, deadline, sink).await?;
        gone.push(chart.to_string());
    }
    let namespace = Place::new("v1", "Namespace", NAMESPACE);
    if api.delete(&namespace).await? {
        absent(api, &namespace, deadline, sink).await?;
        gone.push(namespace.to_string());
    }
    sink.emit(Event::Note { step: "kubesphere".into(), text: format!("{} objects removed", gone.len()) });
    Ok(gone)
}

async fn absent(api: &Api, place: &Place, deadline: Duration, sink: &dyn Sink) -> Result<(), KubeSphereError> {
    let wait = Wait::new(format!("{place} to be gone"), deadline);
    let judge = |objects: &[DynamicObject]| match objects.first() {
        None => Ok(()),
        Some(object) => Err(format!("held by {}", object.metadata.finalizers.clone().unwrap_or_default().join(", "))),
    };
    Ok(api.wait_until(&Selection::one(place), wait, sink, judge).await?)
}
