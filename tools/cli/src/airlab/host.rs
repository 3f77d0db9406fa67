//! Whether this host can carry the lab; looked at before anything is changed.

use airlab::Context;
use envcheck::{DiskNeed, Level, Spec};
use lab::{Artifacts, Provider};

use crate::{Failure, Ui};

/// What a node's disk really takes after the installation and a few images, in GiB; the file grows as it is used.
const NODE_GIB: u64 = 3;
/// Installer, registry and logs, in GiB.
const LAB_GIB: u64 = 2;

/// Looks at the host; warnings are told, the first error stops with all the others beside it.
pub(super) fn check(ui: &Ui, context: &Context) -> Result<(), Failure> {
    let report = envcheck::check(&spec(context));
    for finding in report.findings.iter().filter(|f| f.level == Level::Warning) {
        ui.say(&format!("warning: {finding}"));
    }
    Ok(report.fit()?)
}

fn spec(context: &Context) -> Spec {
    let lab = &context.lab;
    let ours = lab.vm.provider == Provider::Qvmrun;
    let nodes = lab.machines().count() as u64;
    let memory: u64 = lab.machines().map(|n| u64::from(n.memory_mib)).sum();
    let mut spec = Spec { root: ours, memory: memory << 20, ..Spec::default() };
    // A lab that is up already has its memory and its disks.
    if context.seen().is_none() {
        let path = context.files.root().to_owned();
        spec.disk.push(DiskNeed { path, bytes: (NODE_GIB.min(lab.vm.disk_gib) * nodes + LAB_GIB) << 30 });
    } else {
        spec.memory = 0;
    }
    if ours {
        spec.packages.extend(qvmrun::PACKAGES.iter().map(|p| (*p).to_owned()));
        spec.kernel = ["fuse", "loop", "overlay", "veth", "bridge"].map(str::to_owned).to_vec();
    }
    if lab.artifacts == Artifacts::Demo {
        spec.packages.extend(demolab::packages().iter().map(|p| (*p).to_owned()));
    }
    spec.packages.sort();
    spec.packages.dedup();
    spec
}
