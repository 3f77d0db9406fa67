//! The memory of a machine in a file: suspend, resume, snapshots of a running machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::agent::Agent;
use super::buses;
use super::qmp::Qmp;
use crate::Failure;
use crate::place::Place;
use crate::vm::{MEMORY, Vm, beside};
use crate::vm_error::VmError;
use crate::vmware_log;

/// Writing or reading the memory of a large machine on a slow disk.
pub(super) const MOVED: Duration = Duration::from_secs(100);
/// How long a guest that goes on is tried to be told the time.
const TELL: Duration = Duration::from_secs(30);

/// The machine went on: the .vmx says so, and a file that was only made for that is removed.
pub(super) fn used(vm: &Vm, file: &Path) -> Result<(), VmError> {
    let mut vm = Vm::open(&vm.shown())?;
    vm.vmx.remove(MEMORY);
    vm.save()?;
    if file.extension().is_some_and(|e| e.eq_ignore_ascii_case("vmss")) {
        let _ = fs::remove_file(file);
    }
    Ok(())
}

/// Halts the machine and writes its memory.
fn save(monitor: &mut Qmp, vm: &Vm, file: &Path) -> Result<(), VmError> {
    monitor.run("stop", json!({}))?;
    let part = beside(file, ".part");
    let written = mode(monitor)
        .and_then(|()| monitor.run("migrate", channel(&part)))
        .and_then(|_| finished(monitor))
        .and_then(|()| fs::rename(&part, file).map_err(Failure::host("naming the memory file")));
    written.map_err(|failure| {
        let _ = fs::remove_file(&part);
        let why = failure.chain();
        if why.contains("non-migratable") {
            vmware_log::failed(
                vm,
                "msg.qvmrun.memory",
                &format!("{why}: an NVMe disk keeps its state to itself; use sata"),
            );
            return VmError::NotSupported;
        }
        failure.into()
    })
}

/// Writes the memory and turns the machine off. From then on the .vmx says where its memory is.
pub(super) fn suspend(monitor: &mut Qmp, vm: &Vm, file: &Path) -> Result<(), VmError> {
    let written = save(monitor, vm, file).and_then(|()| {
        let mut now = Vm::open(&vm.shown())?;
        now.vmx.set(MEMORY, &file.file_name().unwrap_or_default().to_string_lossy());
        now.save()
    });
    if written.is_err() {
        monitor.run("cont", json!({}))?;
        return written;
    }
    monitor.run("quit", json!({})).map(drop).map_err(Into::into)
}

/// Writes the memory, and lets the disks go on in their overlays. The machine goes on, whatever comes of it.
pub(super) fn snapshot(monitor: &mut Qmp, vm: &Vm, file: &Path, overlays: &[(String, PathBuf)]) -> Result<(), VmError> {
    let done = save(monitor, vm, file).and_then(|()| branch(monitor, overlays).map_err(VmError::from));
    monitor.run("cont", json!({}))?;
    if done.is_err() {
        let _ = fs::remove_file(file);
    }
    done
}

/// Reads the memory back; the machine stays halted.
pub(super) fn load(monitor: &mut Qmp, file: &Path) -> Result<(), VmError> {
    if !file.is_file() {
        return Err(VmError::NotStarted(format!(
            "{}: the memory of the suspended machine is not there",
            file.display()
        )));
    }
    mode(monitor)?;
    monitor.run("migrate-incoming", channel(file))?;
    finished(monitor).map_err(|f| VmError::NotStarted(f.chain()))
}

/// QEMU's own mode for going on later on the same host: the others refuse disks of the format vmdk.
fn mode(monitor: &mut Qmp) -> Result<(), Failure> {
    monitor.run("migrate-set-parameters", json!({ "mode": "cpr-reboot", "max-bandwidth": 1_u64 << 40 })).map(drop)
}

fn channel(file: &Path) -> Value {
    let file = json!({ "transport": "file", "filename": file, "offset": 0 });
    json!({ "channels": [{ "channel-type": "main", "addr": file }] })
}

fn finished(monitor: &mut Qmp) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let state = monitor.run("query-migrate", json!({}))?;
        match state["status"].as_str() {
            Some("completed") => return Ok(()),
            Some("failed" | "cancelled") => {
                let why = state["error-desc"].as_str().unwrap_or("no reason given").to_owned();
                return Err(Failure::host("moving the machine's memory")(why));
            }
            _ if begun.elapsed() > MOVED => {
                let _ = monitor.run("migrate_cancel", json!({}));
                return Err(Failure::host("moving the machine's memory")("it does not end"));
            }
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Lets every disk go on in its overlay. The machine is halted.
fn branch(monitor: &mut Qmp, overlays: &[(String, PathBuf)]) -> Result<(), Failure> {
    let blocks = monitor.run("query-block", json!({}))?;
    let mut actions = Vec::new();
    for (device, overlay) in overlays {
        let (id, file) = (buses::id(device), json!({ "driver": "file", "filename": overlay }));
        let node = node_of(&blocks, &id).ok_or_else(|| Failure::host("branching a disk")(format!("no {id}")))?;
        let name = next_node(&node);
        let add = json!({ "driver": "qcow2", "node-name": name, "file": file, "backing": null });
        monitor.run("blockdev-add", add)?;
        actions.push(json!({ "type": "blockdev-snapshot", "data": { "node": node, "overlay": name } }));
    }
    monitor.run("transaction", json!({ "actions": actions })).map(drop)
}

/// The node that a drive uses now.
fn node_of(blocks: &Value, id: &str) -> Option<String> {
    let is = |b: &&Value| b["qdev"].as_str().is_some_and(|q| q == id || q.split('/').any(|part| part == id));
    let node = blocks.as_array()?.iter().find(is)?["inserted"]["node-name"].as_str()?;
    Some(node.to_owned())
}

/// `sata0-0-4` after `sata0-0-3`.
fn next_node(node: &str) -> String {
    let (stem, number) = node.rsplit_once('-').unwrap_or((node, "0"));
    format!("{stem}-{}", number.parse::<u32>().unwrap_or(0) + 1)
}

/// Tells a guest that stood still what time it is: its hardware clock went on. A guest without an agent is not told.
pub(super) fn tell_time(place: &Place) -> bool {
    Agent::open(place).and_then(|mut agent| agent.set_clock()).is_ok()
}

/// The same for a machine that has just come back: its agent may need a moment.
pub(super) fn keep_telling(place: &Place) {
    if tell_time(place) {
        return;
    }
    let place = place.clone();
    thread::spawn(move || {
        let begun = Instant::now();
        while begun.elapsed() < TELL && !tell_time(&place) {
            thread::sleep(Duration::from_millis(500));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_of_a_drive_is_found_however_the_drive_is_named() {
        let blocks = json!([
            { "qdev": "/machine/peripheral/nvme0-0/virtio-backend", "inserted": { "node-name": "nvme0-0-0" } },
            { "qdev": "sata0-1" },
            { "qdev": "sata0-0", "inserted": { "node-name": "sata0-0-4" } },
        ]);
        assert_eq!(node_of(&blocks, "sata0-0").as_deref(), Some("sata0-0-4"));
        assert_eq!(node_of(&blocks, "nvme0-0").as_deref(), Some("nvme0-0-0"));
        assert_eq!(node_of(&blocks, "sata0-1"), None);
        assert_eq!(next_node("sata0-0-4"), "sata0-0-5");
    }
}
