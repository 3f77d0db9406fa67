//! qvmrun's own subjects: blank machines, and the tiny system of the other tests, installed.

use std::path::Path;

use crate::subject::Subject;
use crate::tiny;

/// This build's qvmrun with an engine, and a state folder of its own.
pub fn qvmrun(engine: &str) -> Subject {
    let subject = Subject::new(&format!("qvmrun, {engine}"), Path::new(env!("CARGO_BIN_EXE_qvmrun")), vec![]);
    let home = subject.dir().join("home").display().to_string();
    subject.with_env("QVMRUN_HOME", &home).with_env("QVMRUN_ENGINE", engine)
}

/// With the engine that needs nothing of this host but QEMU, where it is there.
pub fn machines() -> Subject {
    let full = qvmrun("tcg");
    if full.call(&["list"], None).code == Some(0) { full } else { qvmrun("container") }
}

/// A network, and an installed machine on it with a snapshot `golden`.
pub struct Lab {
    subject: Subject,
}

impl Lab {
    pub fn up() -> Option<Self> {
        if let Some(why) = tiny::missing() {
            println!("skipped: the installed machine: {why}");
            return None;
        }
        let subject = qvmrun("container").probed();
        let vmx = subject.golden_path();
        let installer = tiny::installer(&subject.dir(), true);
        let seed = tiny::seed(&subject.dir(), "one", "10.99.5.10");
        std::fs::create_dir_all(vmx.parent().unwrap()).unwrap();
        let disk = vmware::Vmdk::new(64 << 20, vmware::DiskFormat::Flat);
        disk.create(&vmx.with_file_name("m.vmdk")).unwrap();
        let text = tiny::vmx("golden", ("sata0:0", "m.vmdk"), &installer, &seed, "00:50:56:06:00:0c");
        std::fs::write(&vmx, text.render()).unwrap();
        let vmx = vmx.display().to_string();
        let lab = Self { subject: subject.with_golden(vmx.clone()) };
        let ok = |words: &[&str]| {
            let call = lab.subject().call(words, None);
            assert_eq!(call.code, Some(0), "{words:?}: {} {}", call.stdout, call.stderr);
        };
        ok(&["net", "up", "10.99.5.1/24"]);
        ok(&["start", &vmx, "nogui"]);
        ok(&["getGuestIPAddress", &vmx, "-wait"]);
        ok(&["stop", &vmx, "soft"]);
        ok(&["snapshot", &vmx, "golden"]);
        Some(lab)
    }

    pub fn subject(&self) -> &Subject {
        &self.subject
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let subject = &self.subject;
        let list = subject.call(&["list"], None).stdout;
        for vmx in list.lines().skip(1) {
            subject.call(&["stop", vmx, "hard"], None);
        }
        subject.call(&["net", "down"], None);
    }
}
