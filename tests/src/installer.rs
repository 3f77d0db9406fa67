//! The installer does nothing without the word on its command line, and what is on that line is seen by the machine.
//! Proven on a spare machine that borrows a node's configuration and seed.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use seed_iso::{Iso, Patch};
use vmware::{DiskFormat, Vmdk, Vmx};

use crate::proof::{Fail, Proof, ensure, fail, tail};
use crate::report::Report;
use crate::world::{World, cache};

/// A kernel argument nobody else uses.
const ARGUMENT: &str = "airlab.e2e=changed";

pub(crate) fn checks(report: &mut Report, world: &World, node: &str) {
    let limit = Duration::from_secs(90);
    report.check("installer/does-nothing-without-autoinstall", limit, world, || {
        let spare = Spare::new(world, node, "unpatched", &unpatched()?)?;
        let console = spare.boots_until(|text| text.contains("lacks the word autoinstall"))?;
        ensure!(vmware::is_blank(&spare.dir.join("spare.vmdk"))?, "the disk was written: {}", tail(&console, 3));
        Ok(format!("unpatched: {}; its disk is blank", tail(&console, 1)))
    });
    report.check("installer/a-changed-kernel-argument-arrives", limit, world, || {
        let iso = world.scratch("changed.iso");
        let kernel_args = ["autoinstall", ARGUMENT].map(str::to_owned).to_vec();
        seed_iso::patch(&unpatched()?, &iso, &Patch { kernel_args, console_args: vec![], timeout: 1, files: vec![] })?;
        let spare = Spare::new(world, node, "changed", &iso)?;
        let console = spare.boots_until(|text| text.contains(ARGUMENT))?;
        let line = console.lines().find(|l| l.contains(ARGUMENT)).unwrap_or_default();
        Ok(line.trim().to_owned())
    });
}

/// The installer as it was built: the newest complete one of the cache.
fn unpatched() -> Result<PathBuf, Fail> {
    let mut found = Vec::new();
    for entry in fs::read_dir(cache())? {
        let dir = entry?.path();
        let iso = dir.join("installer.iso");
        if let Ok(done) = fs::metadata(dir.join("done")).and_then(|m| m.modified())
            && iso.exists()
        {
            found.push((done, iso));
        }
    }
    let Some((_, iso)) = found.into_iter().max() else { fail!("no installer in {}", cache().display()) };
    Iso::open(&iso)?;
    Ok(iso)
}

/// A machine of its own in the lab's network, removed when dropped.
struct Spare<'a> {
    world: &'a World,
    dir: PathBuf,
    vmx: String,
}

impl<'a> Spare<'a> {
    fn new(world: &'a World, node: &str, name: &str, iso: &std::path::Path) -> Result<Self, Fail> {
        let dir = world.scratch(name);
        fs::create_dir_all(&dir)?;
        let of = world.lab_dir().join("nodes").join(node);
        let mut vmx = Vmx::parse(&fs::read_to_string(of.join(format!("{node}.vmx")))?)?;
        vmx.set("displayName", name);
        vmx.set("ethernet0.address", "00:50:56:00:00:fe");
        for key in ["nvme0:0.fileName", "sata0:0.fileName"] {
            if vmx.get(key).is_some() {
                vmx.set(key, "spare.vmdk");
            }
        }
        for (drive, file) in [("sata0:1", iso.to_owned()), ("sata0:2", of.join("cidata.iso"))] {
            vmx.set(&format!("{drive}.present"), "TRUE");
            vmx.set(&format!("{drive}.startConnected"), "TRUE");
            vmx.set(&format!("{drive}.deviceType"), "cdrom-image");
            vmx.set(&format!("{drive}.fileName"), &file.display().to_string());
        }
        Vmdk::new(4 << 30, DiskFormat::Flat).create(&dir.join("spare.vmdk"))?;
        let path = dir.join("spare.vmx");
        fs::write(&path, vmx.render())?;
        Ok(Self { world, dir, vmx: path.display().to_string() })
    }

    /// Starts it and reads its console until that text is there or the machine is off for good.
    fn boots_until(&self, seen: impl Fn(&str) -> bool) -> Proof {
        // An installer that refuses can be off again before `start` has seen it run, which is then an error of `start`.
        // What it said is on its console either way.
        let _ = self.world.run(self.world.airlab("vmrun", &["-T", "ws", "start", &self.vmx, "nogui"]));
        self.world.until("the console", || {
            let text = String::from_utf8_lossy(&fs::read(self.dir.join("serial0.log"))?).into_owned();
            ensure!(seen(&text), "{}", tail(&text, 1));
            Ok(text)
        })
    }
}

impl Drop for Spare<'_> {
    fn drop(&mut self) {
        for verb in [&["stop", &self.vmx, "hard"][..], &["deleteVM", &self.vmx]] {
            let _ = self.world.run(self.world.airlab("vmrun", &["-T", "ws"]).args(verb.iter().copied()));
        }
    }
}
