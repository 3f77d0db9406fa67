//! A registry that is there already: looked at, and filled with what it lacks.

use std::path::Path;

use lab::Layout;
use registry_mirror::{BasicLogin, Credentials, Image, Options, RegistryError, Source, Store, Target, mirror_to};
use reqwest::header::{ACCEPT, WWW_AUTHENTICATE};
use secrecy::ExposeSecret;
use steps::{Sink, innermost};

use super::client;
use crate::{AirlabError, Failure};

/// What a manifest may be; without them some registries say that there is none.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                         application/vnd.docker.distribution.manifest.v2+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json";

/// How the registry answered.
enum Seen {
    Fine,
    /// Who is there is asked, by tokens or by name and password.
    Asks {
        tokens: bool,
    },
    Other(u16),
}

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

    /// The login of the lab's file, once the registry has let it in: nodes show it to containerd's side and to curl, which
    /// both know names and passwords.
    pub(super) async fn login(&self) -> Result<Option<BasicLogin>, Failure> {
        let Some(path) = self.credentials else { return Ok(None) };
        if !path.is_file() {
            let source = std::io::ErrorKind::NotFound.into();
            return Err(AirlabError::File { path: path.to_owned(), action: "not read", source }.into());
        }
        let (registry, file) = (self.address.to_owned(), path.display());
        let login = Credentials::in_files([path.to_owned()]).basic(self.address);
        let Some(login) = login else {
            let why = format!("{file} has no name and password for it");
            return Err(RegistryError::Unauthorized { registry, why }.into());
        };
        let why = match self.look("", Some(&login)).await? {
            Seen::Fine => return Ok(Some(login)),
            Seen::Asks { tokens: true } => {
                "it wants a token for every repository; nodes have a name and a password".into()
            }
            Seen::Asks { tokens: false } => {
                format!("the name {} and its password, from {file}, are not taken", login.user)
            }
            Seen::Other(status) => format!("/v2/ answers {status}"),
        };
        Err(RegistryError::Unauthorized { registry, why }.into())
    }

    /// Asks for something below `/v2/` as nodes do: with the name and password, if there are, and no token.
    async fn look(&self, path: &str, login: Option<&BasicLogin>) -> Result<Seen, RegistryError> {
        let fail = |why| RegistryError::Remote { registry: self.address.to_owned(), why };
        let ca = self.ca_pem().map_err(|e| fail(e.to_string()))?;
        let mut ask = client(ca.as_deref()).map_err(fail)?.get(format!("https://{}/v2/{path}", self.address));
        ask = ask.header(ACCEPT, MANIFESTS);
        if let Some(login) = login {
            ask = ask.basic_auth(&login.user, Some(login.password.expose_secret()));
        }
        let answer = ask.send().await.map_err(|e| fail(innermost(&e)))?;
        let challenge = answer.headers().get(WWW_AUTHENTICATE).map(|value| value.as_bytes().to_ascii_lowercase());
        Ok(match answer.status().as_u16() {
            200..=299 => Seen::Fine,
            401 | 403 => Seen::Asks { tokens: challenge.is_some_and(|c| c.starts_with(b"bearer")) },
            status => Seen::Other(status),
        })
    }

    /// Brings everything of the lab's store that the registry lacks; says what it was. Then looks whether nodes can have
    /// it.
    pub(super) async fn fill(&self, sink: &dyn Sink) -> Result<Vec<String>, Failure> {
        let registry = self.address.to_owned();
        self.answers().await.map_err(|why| RegistryError::Remote { registry: registry.clone(), why })?;
        let login = self.login().await?;
        let credentials = self.credentials.map(|path| Credentials::in_files([path.to_owned()])).unwrap_or_default();
        let scratch = self.files.root().to_owned();
        let options = Options { ca_pem: self.ca_pem()?, scratch, credentials, ..Options::default() };
        let images = self.held()?;
        let report = mirror_to(&images, Target::Registry(self.address), &options, sink).await?.complete()?;

        let (name, tag) = images.first().and_then(|image| image.reference.rsplit_once(':')).unzip();
        if let Some((name, tag)) = name.map(|name| name.trim_start_matches("localhost/")).zip(tag) {
            let why = match self.look(&format!("{name}/manifests/{tag}"), login.as_ref()).await? {
                Seen::Fine => None,
                Seen::Asks { .. } if login.is_none() => {
                    Some(format!("{name}:{tag} is for those with a login, and registry.credentials names none"))
                }
                Seen::Asks { .. } => Some(format!("{name}:{tag} is not for a name and a password alone")),
                Seen::Other(status) => Some(format!("{name}:{tag} was brought, and is answered with {status}")),
            };
            if let Some(why) = why {
                return Err(RegistryError::Unauthorized { registry, why }.into());
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
