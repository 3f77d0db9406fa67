//! What nodes take from the registry: container images, and the files of k3s itself.

use lab::Lab;
use registry_mirror::{BasicLogin, Blob};

/// The k3s files as they lie in the registry.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    k3s: Blob,
    airgap: Blob,
    /// File name of the air-gap images on the node; holds their digest, since k3s skips a changed file of equal size.
    airgap_name: String,
    /// What the registry is shown.
    pub(crate) login: Option<BasicLogin>,
}

impl Payload {
    /// The repository that holds the k3s files.
    pub(crate) const REPOSITORY: &'static str = "airlab/k3s";

    pub(crate) fn new(k3s: Blob, airgap: Blob, packing: artifacts::Packing) -> Self {
        let short: String = hex(&airgap).chars().take(12).collect();
        Self { airgap_name: format!("airgap-{short}.{}", packing.ending()), k3s, airgap, login: None }
    }

    /// The same, from a registry that is shown this.
    pub(crate) fn shown(self, login: Option<BasicLogin>) -> Self {
        Self { login, ..self }
    }

    /// SHA-256 of the k3s program, in hexadecimal.
    pub(crate) fn program_sha256(&self) -> String {
        hex(&self.k3s).to_owned()
    }

    /// What every node fetches, by digest.
    pub(crate) fn artifacts(&self, lab: &Lab) -> Vec<k3s_bootstrap::Artifact> {
        vec![
            k3s_bootstrap::Artifact::binary(url(lab, &self.k3s), hex(&self.k3s)),
            k3s_bootstrap::Artifact::images(url(lab, &self.airgap), hex(&self.airgap), &self.airgap_name),
        ]
    }

    /// What a node shows the registry when it fetches.
    pub(crate) fn nodes_login(&self) -> Option<k3s_bootstrap::Login> {
        let BasicLogin { user, password } = self.login.clone()?;
        Some(k3s_bootstrap::Login { user, password })
    }
}

/// Where a node fetches a blob.
pub(crate) fn url(lab: &Lab, blob: &Blob) -> String {
    format!("https://{}{}", lab.registry_address(), blob.url_path)
}

/// A blob's SHA-256, in hexadecimal.
pub(crate) fn hex(blob: &Blob) -> &str {
    blob.digest.trim_start_matches("sha256:")
}
