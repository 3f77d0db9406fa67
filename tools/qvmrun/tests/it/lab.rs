//! A state folder of a test's own, and the program under test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Cmd, Local, Output};

pub struct Lab {
    dir: tempfile::TempDir,
    engine: &'static str,
}

impl Lab {
    pub fn new(engine: &'static str) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), engine }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Writes a file and gives back its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.canonicalize().unwrap().display().to_string()
    }

    pub fn qvmrun(&self, args: &[&str]) -> Output {
        let cmd = Cmd::new(env!("CARGO_BIN_EXE_qvmrun")).args(args).timeout(Duration::from_secs(240));
        Local.run(&cmd.env("QVMRUN_HOME", self.home()).env("QVMRUN_ENGINE", self.engine)).unwrap()
    }

    /// The same, and it must succeed.
    pub fn ok(&self, args: &[&str]) -> String {
        let out = self.qvmrun(args);
        assert_eq!(out.code, 0, "{args:?}: {} {}", out.text(), out.error_text());
        out.text()
    }
}
