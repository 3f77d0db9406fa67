//! The API's lists, read once and then followed.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{Endpoints, Service};
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

use crate::zone::{Shared, Zone, key};

/// An object that the zone is made of.
pub trait Kind: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug {
    /// Puts it into the zone, in the place of an older one.
    fn put(&self, zone: &mut Zone);
    /// Takes it out.
    fn take(&self, zone: &mut Zone);
    /// Takes all of its kind out.
    fn clear(zone: &mut Zone);
}

impl Kind for Service {
    fn put(&self, zone: &mut Zone) {
        zone.put_service(self);
    }

    fn take(&self, zone: &mut Zone) {
        key(self.metadata.namespace.as_ref(), self.metadata.name.as_ref()).map(|k| zone.services.remove(&k));
    }

    fn clear(zone: &mut Zone) {
        zone.services.clear();
    }
}

impl Kind for Endpoints {
    fn put(&self, zone: &mut Zone) {
        zone.put_endpoints(self);
    }

    fn take(&self, zone: &mut Zone) {
        key(self.metadata.namespace.as_ref(), self.metadata.name.as_ref()).map(|k| zone.pods.remove(&k));
    }

    fn clear(zone: &mut Zone) {
        zone.pods.clear();
    }
}

/// Keeps this kind's part of the zone what the API says, for ever; `told` hears why it had to begin anew. What was
/// known stays known while the API does not answer.
pub async fn follow<K: Kind>(client: Client, shared: Shared, told: impl Fn(&str)) {
    let api: Api<K> = Api::all(client);
    let mut first = true;
    loop {
        match round(&api, &shared, &mut first).await {
            Ok(()) => {} // the API ends a watch after some minutes
            Err(e) => {
                told(&format!("{}: {e}", K::plural(&())));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// One list, and the watch that goes on from it.
async fn round<K: Kind>(api: &Api<K>, shared: &Shared, first: &mut bool) -> kube::Result<()> {
    let list = api.list(&ListParams::default()).await?;
    let version = list.metadata.resource_version.clone().unwrap_or_default();
    shared.change(|zone| {
        K::clear(zone);
        list.items.iter().for_each(|one| one.put(zone));
    });
    if std::mem::take(first) {
        shared.one_list_is_there();
    }
    let events = api.watch(&WatchParams::default().timeout(240), &version).await?;
    pin_mut!(events);
    while let Some(event) = events.next().await {
        match event? {
            WatchEvent::Added(one) | WatchEvent::Modified(one) => shared.change(|zone| one.put(zone)),
            WatchEvent::Deleted(one) => shared.change(|zone| one.take(zone)),
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(_) => return Ok(()), // too old a version: a new list mends it
        }
    }
    Ok(())
}
