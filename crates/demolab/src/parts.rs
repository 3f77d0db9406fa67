//! All parts, made side by side.

use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};

use steps::Sink;

use crate::{Images, Result, images, installer, installer_iso, kubernetes, node_image, packages};

/// What to build, and where.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The folder that keeps built parts between runs; see [`crate::default_cache`].
    pub cache: PathBuf,
}

/// The parts of the demo lab.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The installer ISO, with Ubuntu's volume structure.
    pub installer_iso: PathBuf,
    /// The `k3s` program.
    pub k3s: PathBuf,
    /// The images that every node has before it joins: a docker-archive tar.
    pub airgap_images: PathBuf,
    /// Images to mirror: reference and docker-archive.
    pub images: Vec<(String, PathBuf)>,
    /// What is a stand-in, and for what: one line each.
    pub description: Vec<String>,
}

/// Every part, from the cache or built. Node image, installer program and Kubernetes are built side by side; something
/// is told at least every five seconds.
///
/// ```no_run
/// let spec = demolab::Spec { cache: demolab::default_cache() };
/// let parts = demolab::build(&spec, &steps::Silent)?;
/// assert!(parts.installer_iso.exists());
/// # Ok::<(), demolab::Error>(())
/// ```
pub fn build(spec: &Spec, sink: &dyn Sink) -> Result<Parts> {
    packages::check()?;
    let cache = &spec.cache;
    let (iso, k3s) = thread::scope(|scope| {
        let k3s = scope.spawn(|| Ok((images(cache, sink)?, kubernetes(cache, sink)?)));
        (demo_iso(cache, sink), join(k3s))
    });
    let (installer_iso, (Images { airgap, registry }, k3s)) = (iso?, k3s?);
    Ok(Parts { installer_iso, k3s, airgap_images: airgap, images: registry, description: description() })
}

/// The installer ISO with everything it is made of; node image and installer program are built side by side.
pub fn demo_iso(cache: &Path, sink: &dyn Sink) -> Result<PathBuf> {
    packages::check()?;
    let (node, program) = thread::scope(|scope| {
        let program = scope.spawn(|| installer(cache, sink));
        (node_image(cache, sink), join(program))
    });
    installer_iso(cache, &node?, &program?, sink)
}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What is a stand-in, and for what: one line each.
pub fn description() -> Vec<String> {
    [
        "installer ISO: stands for Ubuntu Server 22.04's; it follows subiquity's unattended path and Ubuntu's volume structure",
        "node image: Debian 12 by mmdebstrap, stands for the Ubuntu that the real ISO installs",
        "k3s: real Kubernetes 1.20.2 from Debian's source under k3s's verbs, files, ports and keys, stands for k3s v1.33",
        "images: pause, a page server and a DNS server (demodns, in the place of CoreDNS), made here; they stand for those of the real air-gap archive",
    ]
    .map(str::to_owned)
    .into()
}
