//! The files of the nodes' machines: seed, disk and configuration.

use std::path::Path;

use lab::{Create, DiskFormat, Firmware, Lab, Layout, Node};
use vmware::{DiskBus, NodeSpec, Vmdk, Vmx};

use crate::run::Run;
use crate::{AirlabError, Failure};

/// Bytes in a GiB.
const GIB: u64 = 1 << 30;

/// A node's machine as the library of machines wants to hear it; `installer` where it is to be installed from the ISO.
fn spec(lab: &Lab, files: &Layout, node: &Node, installer: bool) -> NodeSpec {
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
        installer: installer.then(|| files.installer()),
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
    whole(lab, files, node, lab.vm.create == Create::Install)
}

/// The configuration of a machine that the installer is to run on, whatever the nodes are.
pub(crate) fn vmx_to_install(lab: &Lab, files: &Layout, node: &Node) -> Vmx {
    whole(lab, files, node, true)
}

fn whole(lab: &Lab, files: &Layout, node: &Node, installer: bool) -> Vmx {
    let mut vmx = Vmx::for_node(&spec(lab, files, node, installer));
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

/// Makes the disk of a machine that the installer is to run on, where there is none. An existing disk is never touched.
pub(crate) fn ensure_disk(run: &Run<'_>, node: &Node) -> Result<(), Failure> {
    let path = run.files.disk(&node.name);
    if !path.exists() {
        ensure_folder(&run.files.machine(&node.name))?;
        disk(run.lab).create(&path)?;
        run.changed(format!("{}: disk of {} GiB", node.name, run.lab.vm.disk_gib));
    }
    Ok(())
}

/// Writes a machine's .vmx where there is none, and where keys of ours differ and the machine is off (Workstation
/// rewrites the file of a running one).
pub(crate) fn ensure_vmx(run: &Run<'_>, node: &Node, wanted: &Vmx, running: bool) -> Result<(), Failure> {
    let vmx = run.files.vmx(&node.name);
    match read_vmx(&vmx)? {
        None => {
            ensure_folder(&run.files.machine(&node.name))?;
            machine::write_file(&vmx, wanted.render().as_bytes(), 0o644)?;
            run.changed(format!("{}: machine written", node.name));
        }
        Some(mut seen) if !running => {
            let mut stale = differing(&seen, wanted);
            // after the installation the drives are empty
            stale.retain(|(key, _)| !vmware::CD_DRIVES.iter().any(|drive| key.starts_with(drive)));
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
    Ok(())
}

/// Keys of `wanted` that `seen` holds otherwise. The disk and the firmware's variables stay those the machine has: a
/// snapshot or a clone gave them other names.
pub(crate) fn differing(seen: &Vmx, wanted: &Vmx) -> Vec<(String, String)> {
    let kept = |key: &str| {
        let disk = [DiskBus::Nvme, DiskBus::Sata, DiskBus::Pvscsi].map(|bus| format!("{}.fileName", bus.device()));
        seen.get(key).is_some() && (key == "nvram" || disk.iter().any(|k| k == key))
    };
    wanted
        .entries()
        .filter(|(key, value)| !kept(key) && seen.get(key) != Some(*value))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// A .vmx file, where there is one. One that is not UTF-8 is an error that names its encoding.
pub(crate) fn read_vmx(path: &Path) -> Result<Option<Vmx>, Failure> {
    match path.try_exists() {
        Ok(true) => Ok(Some(Vmx::load(path)?)),
        Ok(false) => Ok(None),
        Err(source) => Err(AirlabError::File { path: path.to_owned(), action: "not read", source }.into()),
    }
}

fn ensure_folder(folder: &Path) -> Result<(), Failure> {
    let fail = |source| AirlabError::File { path: folder.to_owned(), action: "not made", source };
    Ok(std::fs::create_dir_all(folder).map_err(fail)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_a_snapshot_keeps_its_file() {
        let lab = Lab::parse(Path::new("airlab.toml"), lab::DEMO).unwrap();
        let wanted = vmx(&lab, &Layout::of(&lab, Path::new("/srv/.airlab")), &lab.nodes[0]);
        let mut seen = wanted.clone();
        for (key, value) in [("nvme0:0.fileName", "master-000001.vmdk"), ("nvram", "other.nvram"), ("memsize", "4")] {
            seen.set(key, value);
        }
        assert_eq!(differing(&seen, &wanted), [("memsize".to_owned(), "2048".to_owned())]);
    }

    #[test]
    fn a_machine_in_another_encoding_is_named_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.vmx");
        assert_eq!(read_vmx(&path).unwrap(), None);
        // "마스터" in code page 949
        let name = b".encoding = \"windows-949\"\ndisplayName = \"\xb8\xb6\xbd\xba\xc5\xcd\"\n";
        std::fs::write(&path, name).unwrap();
        let failure = read_vmx(&path).unwrap_err();
        assert_eq!(failure.problem().id(), "AL-VMX-002");
        assert!(failure.problem().args().contains(&("encoding", "windows-949".to_owned())));
        std::fs::write(&path, ".encoding = \"UTF-8\"\ndisplayName = \"마스터\"\n").unwrap();
        assert_eq!(read_vmx(&path).unwrap().unwrap().get("displayName"), Some("마스터"));
    }

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
