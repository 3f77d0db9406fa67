//! The files of the nodes' machines: seed, disk and configuration.

use std::path::{Path, PathBuf};

use lab::{DiskFormat, Firmware, Lab, Layout, Node};
use vmware::{DiskBus, NodeSpec, Vmdk, Vmx};

use crate::run::Run;
use crate::{AirlabError, Failure};

/// Bytes in a GiB.
const GIB: u64 = 1 << 30;

/// A node's machine as the library of machines wants to hear it.
pub(crate) fn spec(lab: &Lab, files: &Layout, node: &Node) -> NodeSpec {
    let (firmware, disk_bus) = match lab.vm.firmware {
        Firmware::Bios => (vmware::Firmware::Bios, DiskBus::Sata),
        Firmware::Efi => (vmware::Firmware::Efi, DiskBus::Nvme),
    };
    NodeSpec {
        name: node.name.clone(),
        memory_mib: node.memory_mib,
        cpus: node.cpus,
        mac: node.mac.clone(),
        disk_file: format!("{}.vmdk", node.name),
        installer: Some(files.installer()),
        cidata: Some(files.cidata(&node.name)),
        vnet: "VMnet1".into(),
        firmware,
        disk_bus,
        hw_version: lab.vm.hardware,
        serial_log: "serial0.log".into(),
    }
}

/// A node's whole configuration: airlab's keys and those of the lab file's `[vm.vmx]`.
pub(crate) fn vmx(lab: &Lab, files: &Layout, node: &Node) -> Vmx {
    let mut vmx = Vmx::for_node(&spec(lab, files, node));
    lab.vm.vmx.iter().for_each(|(key, value)| vmx.set(key, value));
    vmx
}

/// A node's disk.
pub(crate) fn disk(lab: &Lab) -> Vmdk {
    let format = match lab.vm.disk_format {
        DiskFormat::Sparse => vmware::DiskFormat::Sparse,
        DiskFormat::Flat => vmware::DiskFormat::Flat,
    };
    Vmdk { capacity_bytes: lab.vm.disk_gib * GIB, format }
}

/// Writes what is missing of a node's machine. An existing disk is never touched, an existing .vmx only where keys of
/// ours differ and the machine is off (Workstation rewrites the file of a running one).
pub(crate) fn ensure(run: &Run<'_>, node: &Node, running: bool) -> Result<PathBuf, Failure> {
    let files = run.files;
    let vmx = files.vmx(&node.name);
    let folder = files.machine(&node.name);
    std::fs::create_dir_all(&folder).map_err(|source| AirlabError::File {
        path: folder,
        action: "not made",
        source,
    })?;
    let path = files.disk(&node.name);
    if !path.exists() {
        disk(run.lab).create(&path)?;
        run.changed(format!("{}: disk of {} GiB", node.name, run.lab.vm.disk_gib));
    }
    let wanted = self::vmx(run.lab, files, node);
    match read(&vmx)? {
        None => {
            machine::write_file(&vmx, wanted.render().as_bytes(), 0o644)?;
            run.changed(format!("{}: machine written", node.name));
        }
        Some(text) if !running => {
            let mut seen = Vmx::parse(&text)?;
            let stale = differing(&seen, &wanted);
            if !stale.is_empty() {
                for (key, value) in &stale {
                    seen.set(key, value);
                }
                machine::write_file(&vmx, seen.render().as_bytes(), 0o644)?;
                let keys: Vec<&str> = stale.iter().map(|(k, _)| k.as_str()).collect();
                run.changed(format!("{}: machine edited ({})", node.name, keys.join(", ")));
            }
        }
        Some(_) => {}
    }
    Ok(vmx)
}

/// Keys of `wanted` that `seen` holds otherwise. Drives are left out: after the installation they are empty; and so is
/// the disk's file: with snapshots the machine goes on in another one.
fn differing(seen: &Vmx, wanted: &Vmx) -> Vec<(String, String)> {
    wanted
        .entries()
        .filter(|(key, _)| !key.starts_with("sata0:1") && !key.starts_with("sata0:2"))
        .filter(|(key, _)| !key.ends_with(":0.fileName") || seen.get(key).is_none())
        .filter(|(key, value)| seen.get(key) != Some(*value))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn read(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AirlabError::File { path: path.to_owned(), action: "not read", source }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lab_file_may_set_no_key_that_is_written_here() {
        let text = lab::DEMO.replace("[artifacts]", "[vm.vmx]\n\"rtc.startTime\" = \"1577836800\"\n[artifacts]");
        for firmware in ["bios", "efi"] {
            let text = text.replace("disk_gib", &format!("firmware = \"{firmware}\"\ndisk_gib"));
            let lab = Lab::parse(Path::new("airlab.toml"), &text).unwrap();
            let files = Layout::of(&lab, Path::new("/srv/.airlab"));
            let whole = vmx(&lab, &files, &lab.nodes[0]);
            let open: Vec<&str> = whole.entries().map(|(k, _)| k).filter(|k| !lab::own_vmx_key(k)).collect();
            assert_eq!(open, ["rtc.startTime"]);
            assert_eq!(whole.get("rtc.startTime"), Some("1577836800"));
        }
    }
}
