//! Everything that images come from, opened once for a run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Client;

use super::local::{Local, Named};
use super::options::Options;
use super::origin::Origin;
use super::transport::{Registry, client, is_near};
use super::{Run, Source, blocking, stored_name};
use crate::image_name::ImageName;
use crate::{RegistryError, Store};

type Key = (String, Option<String>);
type Manners = (bool, bool, Option<String>);

/// Registries and archives of a run.
pub(super) struct Sources {
    options: Options,
    scratch: Mutex<PathBuf>,
    /// By host and CA.
    registries: Mutex<HashMap<Key, Arc<Registry>>>,
    /// By whether without TLS, whether near, and CA.
    clients: Mutex<HashMap<Manners, Client>>,
    archives: tokio::sync::Mutex<HashMap<PathBuf, Arc<Vec<Named>>>>,
}

impl Sources {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
            scratch: Mutex::new(options.scratch.clone()),
            registries: Mutex::default(),
            clients: Mutex::default(),
            archives: tokio::sync::Mutex::default(),
        }
    }

    /// Where compressed archives are unpacked.
    pub(super) fn set_scratch(&self, dir: &Path) {
        dir.clone_into(&mut self.scratch.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A registry of the run.
    pub(super) fn registry(
        &self,
        host: &str,
        plain: bool,
        ca_pem: Option<&str>,
    ) -> Result<Arc<Registry>, RegistryError> {
        let mut registries = self.registries.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (host.to_owned(), ca_pem.map(str::to_owned));
        if let Some(registry) = registries.get(&key) {
            return Ok(registry.clone());
        }
        let login = self.options.credentials.login(host);
        let manner = self.options.manner(ca_pem);
        let http = self.client(host, plain, manner.ca_pem.clone())?;
        let registry = Arc::new(Registry::new(host, plain, http, &manner, login));
        registries.insert(key, registry.clone());
        Ok(registry)
    }

    fn client(&self, host: &str, plain: bool, ca_pem: Option<String>) -> Result<Client, RegistryError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (plain, is_near(host), ca_pem);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let fail = |why| RegistryError::Remote { registry: host.to_owned(), why };
        let new = client(plain, key.1, key.2.as_deref()).map_err(fail)?;
        clients.insert(key, new.clone());
        Ok(new)
    }

    async fn archive(&self, path: &Path) -> Result<Arc<Vec<Named>>, RegistryError> {
        let mut archives = self.archives.lock().await;
        if let Some(images) = archives.get(path) {
            return Ok(images.clone());
        }
        let scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let file = path.to_owned();
        let images = blocking(move || Local::all_of(&file, &scratch));
        let images = Arc::new(images.await?);
        archives.insert(path.to_owned(), images.clone());
        Ok(images)
    }
}

impl Run {
    /// An image in a source.
    pub(super) async fn open(&self, source: &Source, reference: &str) -> Result<Origin, RegistryError> {
        match source {
            Source::File(path) => {
                let images = self.sources.archive(path).await?;
                Ok(Origin::Local(Arc::new(Named::choose((*images).clone(), reference, path)?)))
            }
            Source::Registry { reference, ca_pem } => {
                let fail = || RegistryError::Reference { text: reference.clone() };
                let (name, plain) = match reference.strip_prefix("http://") {
                    Some(name) => (name, true),
                    None => (reference.trim_start_matches("https://"), false),
                };
                let ImageName { registry, repository, tag, digest } = name.parse().map_err(|_| fail())?;
                let registry = self.sources.registry(&registry, plain, ca_pem.as_deref())?;
                let reference = digest.map(|d| d.to_string()).or(tag.map(|t| t.to_string())).unwrap_or_default();
                Ok(Origin::Remote { registry, repository, reference })
            }
            Source::Store(dir) => {
                let (repository, tag) = stored_name(reference)?;
                let digest = reference.parse().ok().and_then(|name: ImageName| name.digest);
                let (dir, there) = (dir.clone(), dir.is_dir());
                if !there {
                    let missing = std::io::ErrorKind::NotFound.into();
                    return Err(RegistryError::file(&dir, "read")(missing));
                }
                let store = blocking(move || Store::open(&dir)).await?;
                Ok(Origin::Kept { store, repository, tag, digest })
            }
        }
    }
}

/// `http://host:port/prefix` as host, whether without TLS, and prefix.
pub(super) fn host(name: &str) -> ((&str, bool), &str) {
    let (name, plain) = match name.strip_prefix("http://") {
        Some(name) => (name, true),
        None => (name.trim_start_matches("https://"), false),
    };
    let (host, prefix) = name.split_once('/').unwrap_or((name, ""));
    ((host, plain), prefix)
}
