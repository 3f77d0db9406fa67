//! The files that a person would have brought: offline parts, the chart packed, images for the registry.

use std::fs;
use std::path::Path;

use crate::desktop::own;
use crate::proof::Fail;
use crate::world::World;

/// Where the test chart is.
pub(super) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/kubesphere/tests/chart");

/// Puts everything that the lab file names in its place.
pub(super) fn place(world: &World) -> Result<(), Fail> {
    let cache = demolab::default_cache();
    let made = |e: demolab::Error| Fail::from(e);
    let parts = demolab::build(&demolab::Spec { cache: cache.clone() }, &steps::Silent).map_err(made)?;
    let mut images = parts.images;
    images.push(demolab::helm_image(&cache, &steps::Silent).map_err(made)?);
    images.extend(demolab::kubesphere_images(&cache, &steps::Silent).map_err(made)?);
    let put = world.scratch("files");
    fs::create_dir_all(put.join("images"))?;
    for (_, archive) in &images {
        own(archive, &put.join("images"))?;
    }
    for part in [&parts.installer_iso, &parts.k3s, &parts.airgap_images] {
        own(part, &put)?;
    }
    packed(world, &put.join("ks-core-1.1.4.tgz"))
}

/// The test chart as `helm package` makes it.
fn packed(world: &World, to: &Path) -> Result<(), Fail> {
    world.ok(world.bare("tar").arg("-czf").arg(to).args(["-C", CHART, "ks-core"])).map(drop)
}
