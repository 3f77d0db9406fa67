//! What the API knows: services and the addresses behind them, by namespace and name.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use k8s_openapi::api::core::v1::{Endpoints, Service};

/// Namespace and name.
pub(crate) type Key = (String, String);

/// A port with a name, its protocol in small letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) number: u16,
}

/// What a service's name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// One address of the cluster's.
    Address(Ipv4Addr),
    /// The pods themselves (`clusterIP: None`).
    Pods,
    /// Another name (`ExternalName`).
    Alias(String),
    /// Nothing yet, or an IPv6 address.
    Nothing,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) target: Target,
    pub(crate) ports: Vec<Port>,
}

/// One address behind a service; `label` is its own name below the service's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) address: Ipv4Addr,
    pub(crate) label: String,
    pub(crate) ports: Vec<Port>,
}

/// Everything there is to answer from.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    pub(crate) domain: Vec<String>,
    pub(crate) services: BTreeMap<Key, Entry>,
    pub(crate) pods: BTreeMap<Key, Vec<Pod>>,
}

impl Zone {
    /// An empty zone of this domain (`cluster.local`).
    #[must_use]
    pub fn new(domain: &str) -> Self {
        let labels = domain.trim_matches('.').split('.').map(str::to_ascii_lowercase);
        Self { domain: labels.collect(), ..Self::default() }
    }

    /// The domain with a dot at its end.
    pub(crate) fn suffix(&self) -> String {
        self.domain.join(".") + "."
    }

    pub(crate) fn put_service(&mut self, service: &Service) {
        let Some(key) = key(service.metadata.namespace.as_ref(), service.metadata.name.as_ref()) else { return };
        let Some(spec) = &service.spec else { return };
        let target = match (spec.type_.as_deref(), spec.cluster_ip.as_deref()) {
            (Some("ExternalName"), _) => spec.external_name.clone().map_or(Target::Nothing, Target::Alias),
            (_, Some("None")) => Target::Pods,
            (_, Some(ip)) => ip.parse().map_or(Target::Nothing, Target::Address),
            _ => Target::Nothing,
        };
        let ports = spec.ports.iter().flatten();
        let ports = ports.filter_map(|p| port(p.name.as_ref(), p.protocol.as_ref(), p.port)).collect();
        self.services.insert(key, Entry { target, ports });
    }

    pub(crate) fn put_endpoints(&mut self, endpoints: &Endpoints) {
        let Some(key) = key(endpoints.metadata.namespace.as_ref(), endpoints.metadata.name.as_ref()) else { return };
        let mut pods = Vec::new();
        for subset in endpoints.subsets.iter().flatten() {
            let ports = subset.ports.iter().flatten();
            let ports: Vec<Port> = ports.filter_map(|p| port(p.name.as_ref(), p.protocol.as_ref(), p.port)).collect();
            for at in subset.addresses.iter().flatten() {
                let Ok(address) = at.ip.parse::<Ipv4Addr>() else { continue };
                let label = at.hostname.clone().unwrap_or_else(|| address.to_string().replace('.', "-"));
                pods.push(Pod { address, label, ports: ports.clone() });
            }
        }
        self.pods.insert(key, pods);
    }

    pub(crate) fn pods_of(&self, key: &Key) -> &[Pod] {
        self.pods.get(key).map_or(&[], Vec::as_slice)
    }
}

pub(crate) fn key(namespace: Option<&String>, name: Option<&String>) -> Option<Key> {
    Some((namespace?.clone(), name?.clone()))
}

fn port(name: Option<&String>, protocol: Option<&String>, number: i32) -> Option<Port> {
    let protocol = protocol.map_or("tcp".to_owned(), |p| p.to_ascii_lowercase());
    Some(Port { name: name.cloned().unwrap_or_default(), protocol, number: number.try_into().ok()? })
}

/// The zone, as its watchers and its readers share it.
#[derive(Debug, Clone)]
pub struct Shared(Arc<RwLock<(Zone, u8)>>);

/// Lists that must have been read once before an answer is worth anything.
const LISTS: u8 = 2;

impl Shared {
    /// An empty zone of this domain.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        Self(Arc::new(RwLock::new((Zone::new(domain), 0))))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, (Zone, u8)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn change(&self, how: impl FnOnce(&mut Zone)) {
        how(&mut self.0.write().unwrap_or_else(PoisonError::into_inner).0);
    }

    pub(crate) fn one_list_is_there(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).1 += 1;
    }

    /// Whether every list has been read.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.read().1 >= LISTS
    }
}
