//! `registry-mirror verify`.

use std::path::Path;

use registry_mirror::{Finding, RegistryError, Store, Verified};

use crate::{Ended, Ui, exit};

pub(super) async fn verify(ui: &Ui, dir: &Path) -> Ended {
    let verified = Store::open(dir)?.verify()?;
    ui.result(&verified, |v: &Verified| {
        format!("{} blobs, {} bytes, {} findings", v.blobs, v.bytes, v.findings.len())
    })?;
    let Some(first) = verified.findings.first() else { return Ok(exit::OK) };
    let first = match first {
        Finding::Damaged { digest, .. } => format!("{digest} is damaged"),
        Finding::Missing { needed_by, digest } => format!("{needed_by} needs {digest}"),
    };
    Err(RegistryError::Damaged { damaged: verified.findings.len(), blobs: verified.blobs, first }.into())
}
