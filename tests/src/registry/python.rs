//! The oras client that Python has (the package oras), where it is installed: `AIRLAB_ORAS_PYTHON`, else python3.

use std::fs;
use std::time::Duration;

use machine::{Cmd, Local};

use super::{Lab, Server};
use crate::proof::{Proof, ensure};
use crate::report::say;

const SCRIPT: &str = include_str!("oras.py");

/// A Python that has oras.
pub(super) fn python() -> Option<String> {
    let python = std::env::var("AIRLAB_ORAS_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Cmd::new(&python).args(["-c", "import oras.client"]).timeout(Duration::from_secs(60));
    if Local.run(&probe).is_ok_and(|out| out.code == 0) {
        return Some(python);
    }
    say(&format!("     oras for Python is not installed here (AIRLAB_ORAS_PYTHON; {python}): not looked at"));
    None
}

impl Lab<'_> {
    /// An artifact there and back, and its digest as everybody else sees it.
    pub(super) fn artifact(&self, python: &str, ours: &Server) -> Proof {
        let (files, back) = (self.dir.join("artifact"), self.dir.join("artifact-back"));
        fs::create_dir_all(&files)?;
        fs::create_dir_all(&back)?;
        fs::write(files.join("one.txt"), "one\n")?;
        fs::copy(self.dir.join("layer.tar"), files.join("two.bin"))?;
        let cmd = self.world.bare(python).args(["-c", SCRIPT, &ours.host]).arg(&files).arg(&back);
        let said = self.world.ok(cmd.env("REQUESTS_CA_BUNDLE", self.dir.join("certs/ca.crt")))?.text();
        for name in ["one.txt", "two.bin"] {
            ensure!(fs::read(files.join(name))? == fs::read(back.join(name))?, "{name} came back otherwise");
        }
        let digest = self.digest(ours, "python/artifact:v1")?;
        ensure!(said.lines().last() == Some(&digest), "oras was told {said}, skopeo {digest}");
        Ok(format!("an artifact of 2 files there and back, {digest} for oras and skopeo"))
    }
}
