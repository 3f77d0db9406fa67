//! An image in another registry, over oci-client.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tokio::sync::mpsc;

use super::copy::{Origin, Progress};
use crate::store::{DOCKER_LIST, DOCKER_MANIFEST, Descriptor, OCI_INDEX, OCI_MANIFEST, Upload};
use crate::{Digest, RegistryError};

const ACCEPTED: [&str; 4] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];

/// An image of a registry. Reads anonymously.
pub(super) struct Remote {
    client: Client,
    reference: Reference,
    digest: Digest,
}

impl Remote {
    /// Looks for an image. With `ca_pem`, trusts that CA and no other.
    pub(super) async fn find(reference: &str, ca_pem: Option<&str>) -> Result<Self, RegistryError> {
        let reference: Reference =
            reference.parse().map_err(|_| RegistryError::Reference { text: reference.to_owned() })?;
        let certificate = |pem: &str| Certificate { encoding: CertificateEncoding::Pem, data: pem.into() };
        let config = ClientConfig {
            tls_certs_only: ca_pem.map(certificate).into_iter().collect(),
            connect_timeout: Some(Duration::from_secs(15)),
            read_timeout: Some(Duration::from_secs(60)),
            user_agent: concat!("airlab-registry-mirror/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|e| failed(&reference, e))?;
        let digest = client.fetch_manifest_digest(&reference, &RegistryAuth::Anonymous).await;
        let digest = digest.map_err(|e| failed(&reference, e))?;
        let digest = digest.parse().map_err(|_| RegistryError::NotAnImage {
            origin: reference.registry().to_owned(),
            why: format!("{digest:?} is not a digest"),
        })?;
        Ok(Self { client, reference, digest })
    }

    fn by_digest(&self, digest: &Digest) -> Reference {
        let (registry, repository) = (self.reference.registry(), self.reference.repository());
        Reference::with_digest(registry.to_owned(), repository.to_owned(), digest.to_string())
    }
}

#[async_trait]
impl Origin for Remote {
    fn name(&self) -> String {
        self.reference.to_string()
    }

    fn digest(&self) -> &Digest {
        &self.digest
    }

    async fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        let reference = self.by_digest(digest);
        let pulled = self.client.pull_manifest_raw(&reference, &RegistryAuth::Anonymous, &ACCEPTED).await;
        Ok(pulled.map_err(|e| failed(&reference, e))?.0.to_vec())
    }

    async fn blob(
        &self,
        descriptor: &Descriptor,
        _digest: &Digest,
        mut upload: Upload,
        progress: &Progress<'_>,
    ) -> Result<Upload, RegistryError> {
        let layer = OciDescriptor {
            media_type: descriptor.media_type.clone(),
            digest: descriptor.digest.clone(),
            size: i64::try_from(descriptor.size).unwrap_or(i64::MAX),
            ..OciDescriptor::default()
        };
        let pulled = self.client.pull_blob_stream(&self.reference, &layer).await;
        let mut pieces = pulled.map_err(|e| failed(&self.reference, e))?.stream;
        let (to_disk, mut arriving) = mpsc::channel::<bytes::Bytes>(32);
        let writer = super::blocking(move || {
            while let Some(piece) = arriving.blocking_recv() {
                upload.append(&piece)?;
            }
            Ok(upload)
        });
        let reader = async {
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(|e| remote(&self.reference, innermost(&e)))?;
                progress.add(piece.len() as u64);
                // The writer only hangs up when writing failed, and then says why itself.
                if to_disk.send(piece).await.is_err() {
                    break;
                }
            }
            drop(to_disk);
            Ok(())
        };
        let (written, read) = tokio::join!(writer, reader);
        read.and(written)
    }
}

fn failed(reference: &Reference, error: OciDistributionError) -> RegistryError {
    let absent = match &error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        // An answer to HEAD has no body that could name a code.
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => {
            let unknown = [OciErrorCode::ManifestUnknown, OciErrorCode::NameUnknown, OciErrorCode::NotFound];
            envelope.errors.iter().any(|e| unknown.contains(&e.code))
        }
        _ => false,
    };
    if absent {
        let origin = reference.registry().to_owned();
        return RegistryError::ImageNotThere { reference: reference.to_string(), origin };
    }
    remote(reference, innermost(&error))
}

fn remote(reference: &Reference, why: String) -> RegistryError {
    RegistryError::Remote { registry: reference.registry().to_owned(), why }
}

/// The cause at the bottom: `connection refused`, not `error sending request`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
