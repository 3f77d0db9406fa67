//! OCI image layouts, as a folder or in a tar (OCI image specification, "Image Layout").

use std::collections::HashMap;
use std::sync::Arc;

use super::archive::{Archive, not_an_image};
use super::local::{Local, Named};
use crate::RegistryError;
use crate::store::{Descriptor, Manifest};

/// What containerd calls an image by its full name.
const FULL_NAME: &str = "io.containerd.image.name";
/// A tag, or whatever the writer made of it.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Every image of the layout.
pub(super) fn images(archive: &Arc<Archive>) -> Result<Vec<Named>, RegistryError> {
    let fail = |why: String| not_an_image(&archive.path, why);
    let index = Manifest::parse(&archive.document("index.json")?).map_err(|e| fail(format!("index.json: {e}")))?;
    let image = |descriptor: &Descriptor| {
        let digest = descriptor.digest().map_err(fail)?;
        let reference = [FULL_NAME, REF_NAME].iter().find_map(|key| descriptor.annotations.get(*key));
        let image = Local { archive: archive.clone(), digest, content: HashMap::new() };
        Ok(Named { reference: reference.cloned().unwrap_or_default(), image })
    };
    index.children().iter().map(image).collect()
}
