//! `registry-mirror verify`.

use std::path::Path;

use registry_mirror::{RegistryError, Store, Verified};

use crate::{Ended, Ui, exit};

pub(super) async fn verify(ui: &Ui, dir: &Path) -> Ended {
    let verified = Store::open(dir)?.verify()?;
    ui.result(&verified, |v: &Verified| {
        let findings = v.findings.iter().map(|finding| format!("{finding}\n"));
        let all: String = findings.collect();
        format!("{all}{} blobs, {} bytes, {} findings", v.blobs, v.bytes, v.findings.len())
    })?;
    let Some(first) = verified.findings.first() else { return Ok(exit::OK) };
    let (damaged, blobs) = (verified.findings.len(), verified.blobs);
    Err(RegistryError::Damaged { damaged, blobs, first: first.to_string() }.into())
}
