//! The image in which HelmChart Jobs run: real Helm as a library, and a program of ours that stands in for klipper-helm.
//! It is not among [`crate::build`]'s parts: its library comes from PyPI, not from Debian, and few labs need it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use steps::Sink;

use crate::archive::{Image, Layer, archive};
use crate::script::Script;
use crate::{Error, Result, cache};

const NAME: &str = "helm";
const SCRIPT: &str = include_str!("../scripts/helm.sh");
const PROGRAM: &str = include_str!("../c/helm.c");
/// Real Helm (v4.2.3; Apache-2.0) as a library for Python, a line of pip's requirements with its hash.
pub const HELM_WHEEL: &str =
    "helm-python-sdk==0.2.2 --hash=sha256:28cc13abaf134c3a7e37f070c939be8d9cdc9825c3c8b8b2d35161073bcd4578";

/// What the Jobs of the skin's helm-controller run.
pub const HELM: &str = "docker.io/airlab/helm-stand-in:1";

/// The image's reference and its docker-archive for the registry, from the cache or made.
///
/// ```no_run
/// let (reference, archive) = demolab::helm_image(&demolab::default_cache(), &steps::Silent)?;
/// assert!(reference == demolab::HELM && archive.exists());
/// # Ok::<(), demolab::Error>(())
/// ```
pub fn helm_image(cache: &Path, sink: &dyn Sink) -> Result<(String, PathBuf)> {
    let hash = cache::hash([SCRIPT, PROGRAM, HELM_WHEEL, HELM]);
    let dir = cache::part(cache, NAME, &hash, sink, |dir| {
        let program = dir.join("helm.c");
        fs::write(&program, PROGRAM).map_err(Error::cache(&program))?;
        Script::new(NAME, "build", SCRIPT, dir)
            .env("OUT", dir)
            .env("REQUIREMENT", HELM_WHEEL)
            .env("PROGRAM", &program)
            .run(sink)?;
        write(dir).map_err(Error::cache(dir))
    })?;
    Ok((HELM.to_owned(), dir.join("helm.tar")))
}

fn write(dir: &Path) -> io::Result<()> {
    let mut layer = Layer::default();
    layer.tree(&dir.join("tree"), "")?;
    layer.folder("tmp", 0o1777)?;
    let image = Image { reference: HELM, layer: layer.finish()?, config: json!({ "Entrypoint": ["/bin/helm"] }) };
    fs::write(dir.join("helm.tar"), archive(&[&image])?)?;
    fs::remove_dir_all(dir.join("tree"))
}
