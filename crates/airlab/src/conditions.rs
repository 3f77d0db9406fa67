//! What a lab's cluster must show, and the image its checks run from.

use std::time::Duration;

use k3s_bootstrap::Expected;
use lab::{Lab, Layout};
use registry_mirror::Store;

/// Longest time from the last start of k3s to a cluster that shows everything.
pub(crate) const READY: Duration = Duration::from_secs(15 * 60);
/// Repositories of the registry with a shell, a page server and a resolver's client, the usual one first. The last one is
/// the demo lab's.
const IMAGES: [&str; 3] = ["rancher/mirrored-library-busybox", "library/busybox", "airlab/page"];

/// Every node and server of the lab, and an image of its registry where that has a fitting one. The lab's store says what
/// the registry has, also when that does not answer: its silence is then found by the pull.
pub(crate) fn expected(lab: &Lab, files: &Layout) -> Expected {
    let root = files.registry();
    let held =
        if root.exists() { Store::open(&root).and_then(|s| s.catalog()).unwrap_or_default() } else { Vec::new() };
    let image = IMAGES.iter().find_map(|repository| {
        let tag = &held.iter().find(|entry| entry.repository == *repository)?.tags.last()?.tag;
        Some(format!("docker.io/{repository}:{tag}"))
    });
    expected_with(lab, image)
}

/// The same without pods: only what the API says.
pub(crate) fn by_api(lab: &Lab) -> Expected {
    expected_with(lab, None)
}

fn expected_with(lab: &Lab, image: Option<String>) -> Expected {
    Expected {
        servers: lab.servers().map(lab::Node::api).collect(),
        nodes: lab.nodes.iter().map(|n| n.name.clone()).collect(),
        image,
    }
}
