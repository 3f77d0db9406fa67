//! A registry that is there already: looked at, and filled with what it lacks.

use std::path::Path;

use lab::Layout;
use registry_mirror::{Credentials, Image, Options, RegistryError, Source, Store, Target, mirror_to, survey};
use steps::{Sink, innermost};

use super::client;
use crate::{AirlabError, Failure};

pub(super) struct External<'a> {
    pub(super) address: &'a str,
    pub(super) ca: Option<&'a Path>,
    pub(super) credentials: Option<&'a Path>,
    pub(super) files: &'a Layout,
}

impl External<'_> {
    pub(super) fn ca_pem(&self) -> Result<Option<String>, AirlabError> {
        let read = |path: &Path| {
            let fail = |source| AirlabError::File { path: path.to_owned(), action: "not read", source };
            std::fs::read_to_string(path).map_err(fail)
        };
        self.ca.map(read).transpose()
    }

    /// Whether a registry answers there over TLS; one that asks who is there is one too.
    pub(super) async fn answers(&self) -> Result<(), String> {
        let ca = self.ca_pem().map_err(|e| e.to_string())?;
        let url = format!("https://{}/v2/", self.address);
        let answer = client(ca.as_deref())?.get(url).send().await.map_err(|e| innermost(&e))?;
        match answer.status().as_u16() {
            200 | 401 => Ok(()),
            status => Err(format!("/v2/ answers {status}: not a registry")),
        }
    }

    /// Brings everything of the lab's store that the registry lacks; says what it was. Then looks whether nodes, which
    /// have no login, can have it.
    pub(super) async fn fill(&self, sink: &dyn Sink) -> Result<Vec<String>, Failure> {
        let registry = self.address.to_owned();
        self.answers().await.map_err(|why| RegistryError::Remote { registry: registry.clone(), why })?;
        if let Some(path) = self.credentials.filter(|path| !path.is_file()) {
            let source = std::io::ErrorKind::NotFound.into();
            return Err(AirlabError::File { path: path.to_owned(), action: "not read", source }.into());
        }
        let credentials = self.credentials.map(|path| Credentials::in_files([path.to_owned()]));
        let anonymous = Options { ca_pem: self.ca_pem()?, scratch: self.files.root().to_owned(), ..Options::default() };
        let options = Options { credentials: credentials.unwrap_or_default(), ..anonymous.clone() };
        let images = self.held()?;
        let report = mirror_to(&images, Target::Registry(self.address), &options, sink).await?.complete()?;

        let remote = |image: &Image| Image {
            sources: vec![Source::Registry {
                reference: image.reference.replacen("localhost", self.address, 1),
                ca_pem: None,
            }],
            ..image.clone()
        };
        let one: Vec<Image> = images.first().map(remote).into_iter().collect();
        for seen in survey(&one, &anonymous, true, false).await? {
            for found in seen.sources {
                found.digest?;
            }
        }
        let brought = report.new.iter().chain(&report.changed);
        Ok(brought.map(|name| name.replacen("localhost", self.address, 1)).collect())
    }

    /// Every tag of the lab's store, by digest.
    fn held(&self) -> Result<Vec<Image>, RegistryError> {
        let root = self.files.registry();
        let mut images = Vec::new();
        for entry in Store::open(&root)?.catalog()? {
            for tag in entry.tags {
                images.push(Image {
                    // The store keeps names without a host; this one stands for none.
                    reference: format!("localhost/{}:{}", entry.repository, tag.tag),
                    digest: tag.digest.parse().ok(),
                    sources: vec![Source::Store(root.clone())],
                });
            }
        }
        Ok(images)
    }
}
