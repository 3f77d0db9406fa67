//! The machine that nodes are cloned from: installed once, switched off, kept by a snapshot.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::{Create, DiskFormat, Firmware, Node, Role};
use sha2::{Digest, Sha256};
use steps::{Wait, wait_for};
use vmware::Vmx;
use vmware::vmrun::Vmrun;

use crate::machines::{self, read_vmx};
use crate::nodes::{self, INSTALL, last_line};
use crate::run::Run;
use crate::secrets::Secrets;
use crate::{AirlabError, Failure, Sources, provision};

/// The snapshot that clones are made of. It is taken when everything about the machine is as it shall be: a golden machine
/// without it is not finished.
pub(crate) const SNAPSHOT: &str = "airlab-golden";
/// How the folders of golden machines begin.
pub(crate) const PREFIX: &str = "golden-";
/// In the .vmx of a golden machine. A node's .vmx that holds it is a clone that was not finished: VMware copies the key,
/// and airlab takes it out with the same stroke that makes the machine the node's.
const GOLDEN: &str = "guestinfo.airlab.golden";
/// In a node's .vmx: the golden machine it is a clone of.
pub(crate) const CLONE_OF: &str = "guestinfo.airlab.clone-of";
/// In VMware's static range, and no node's by default.
const MAC: &str = "00:50:56:3f:ff:fe";

/// A golden machine as it is to be.
pub(crate) struct Golden {
    /// The machine as if it were a node. Its name holds a hash over everything that decides what is installed.
    pub(crate) node: Node,
    seed: cloudinit::Seed,
}

impl Golden {
    pub(crate) fn of(run: &Run<'_>, secrets: &Secrets, sources: &Sources) -> Result<Self, Failure> {
        let (lab, iso) = (run.lab, &sources.iso.path);
        let seed = cloudinit::golden(&nodes::shared(run, secrets))?;
        let firmware = if lab.vm.firmware == Firmware::Efi { "efi" } else { "bios" };
        let format = if lab.vm.disk_format == DiskFormat::Flat { "flat" } else { "sparse" };
        let parts = [
            seed_iso::fingerprint(iso)?,
            provision::patch().digest(),
            format!("{firmware} {format} {} GiB", lab.vm.disk_gib),
            seed.content_hash.clone(),
        ];
        let hash = hex::encode(&Sha256::digest(parts.join("\n"))[..6]);
        let node = Node {
            name: format!("{PREFIX}{hash}"),
            mac: MAC.into(),
            role: Role::Agent,
            cpus: lab.machines().map(|n| n.cpus).max().unwrap_or(1),
            memory_mib: lab.machines().map(|n| n.memory_mib).max().unwrap_or(2048),
            address: lab.network.cidr.base(),
            labels: Vec::new(),
            taints: Vec::new(),
            host: None,
        };
        Ok(Self { node, seed })
    }

    /// Whether the machine's console says that its installation went well to the end.
    fn is_marked(&self, console: &Path) -> bool {
        let text = std::fs::read(console).unwrap_or_default();
        String::from_utf8_lossy(&text).contains(&self.seed.golden_mark())
    }
}

/// The nodes that are to be cloned: those without a machine, and those whose cloning broke off.
pub(crate) fn to_clone<'a>(run: &Run<'a>) -> Result<Vec<&'a Node>, Failure> {
    let mut nodes = Vec::new();
    if run.lab.vm.create == Create::Clone {
        for node in run.lab.machines() {
            if read_vmx(&run.files.vmx(&node.name))?.is_none_or(|vmx| vmx.get(GOLDEN).is_some()) {
                nodes.push(node);
            }
        }
    }
    Ok(nodes)
}

/// Installs the golden machine where there is none. Whatever interrupts it, the next run finds out how far it came: a
/// running one is waited for, one that is off and whose console says that all went well gets its snapshot, any other is
/// removed and installed from the start.
pub(crate) async fn ensure(run: &Run<'_>, vmrun: &Vmrun, golden: &Golden) -> Result<(), Failure> {
    let (files, node) = (run.files, &golden.node);
    let vmx = files.vmx(&node.name);
    let console = files.machine_file(&node.name, "serial0.log");
    if vmx.exists() && is_finished(vmrun, &vmx).await? {
        return Ok(());
    }
    let running = vmx.exists() && vmrun.is_running(&vmx).await?;
    let installed = vmx.exists() && golden.is_marked(&console);
    if !running && !installed {
        if files.machine(&node.name).exists() {
            remove(vmrun, &vmx, &files.machine(&node.name)).await?;
            run.changed(format!("{}: what an earlier run left was removed", node.name));
        }
        nodes::write_seed(run, node, &golden.seed)?;
        machines::ensure_disk(run, node)?;
        let mut wanted = machines::vmx_to_install(run.lab, files, node);
        wanted.set(GOLDEN, &node.name);
        machines::ensure_vmx(run, node, &wanted, false)?;
        vmrun.ensure_running(&vmx).await?;
        run.changed(format!("{}: started", node.name));
    }
    wait_off(run, vmrun, &vmx, &console).await?;
    if !golden.is_marked(&console) {
        let last = last_line(&console);
        return Err(AirlabError::NodeOff { node: node.name.clone(), last, log: console }.into());
    }
    vmware::edit(&vmx, Duration::from_secs(60), |v| {
        v.detach_isos();
    })
    .await?;
    vmrun.ensure_snapshot(&vmx, SNAPSHOT).await?;
    run.changed(format!("{}: installed, snapshot {SNAPSHOT}", node.name));
    Ok(())
}

/// Whether clones can be made of the golden machine.
pub(crate) async fn is_finished(vmrun: &Vmrun, vmx: &Path) -> Result<bool, Failure> {
    Ok(vmrun.snapshots(vmx).await?.iter().any(|s| s.name == SNAPSHOT))
}

async fn wait_off(run: &Run<'_>, vmrun: &Vmrun, vmx: &Path, console: &Path) -> Result<(), Failure> {
    let wait = Wait::new("end of the golden machine's installation", INSTALL).every(Duration::from_millis(300));
    let off = wait_for(wait, run.sink, || async {
        match vmrun.is_running(vmx).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(last_line(console)),
            Err(error) => Err(error.to_string()),
        }
    });
    Ok(off.await?)
}

/// Makes a node's machine a clone of the golden one and gives it its own configuration.
pub(crate) async fn clone(run: &Run<'_>, vmrun: &Vmrun, golden: &Golden, node: &Node) -> Result<(), Failure> {
    let files = run.files;
    let (source, target) = (files.vmx(&golden.node.name), files.vmx(&node.name));
    if files.machine(&node.name).exists() {
        remove(vmrun, &target, &files.machine(&node.name)).await?;
    }
    vmrun.ensure_clone(&source, SNAPSHOT, &target, &node.name).await?;
    let wanted = machines::vmx(run.lab, files, node);
    vmware::edit(&target, Duration::from_secs(60), |v| become_node(v, &wanted, &golden.node.name)).await?;
    run.changed(format!("{}: cloned from {}", node.name, golden.node.name));
    Ok(())
}

/// Sets a node's keys in the .vmx of its fresh clone; disk and firmware variables stay the clone's own, as do keys that
/// airlab does not know.
fn become_node(clone: &mut Vmx, wanted: &Vmx, golden: &str) {
    for (key, value) in machines::differing(clone, wanted) {
        clone.set(&key, &value);
    }
    clone.set(CLONE_OF, golden);
    clone.remove(GOLDEN);
}

/// The golden machines that are in the folder of the lab's machines.
pub(crate) fn found(lab: &lab::Lab, files: &lab::Layout) -> Vec<String> {
    let entries = std::fs::read_dir(files.machines()).into_iter().flatten().flatten();
    let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|n| n.starts_with(PREFIX) && lab.node(n).is_none()).collect();
    names.sort();
    names
}

/// Removes a machine with its folder, also one of which only parts are there.
pub(crate) async fn remove(vmrun: &Vmrun, vmx: &Path, folder: &Path) -> Result<(), Failure> {
    if let Err(error) = vmrun.ensure_deleted(vmx).await
        && Vmx::load(vmx).is_ok()
    {
        return Err(error.into());
    }
    match std::fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(AirlabError::File { path: PathBuf::from(folder), action: "not deleted", source }.into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
