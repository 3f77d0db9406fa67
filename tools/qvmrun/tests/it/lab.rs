//! A state folder of a test's own, and the program under test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Cmd, Local, Output};

pub struct Lab {
    dir: tempfile::TempDir,
    engine: &'static str,
    /// Calls are made from this network namespace, where the test has made one.
    network: Option<PathBuf>,
    /// The program for a user who may do nothing.
    nobody: Option<PathBuf>,
}

/// The user and the group `nobody` on Debian.
const NOBODY: u32 = 65534;

impl Lab {
    pub fn new(engine: &'static str) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), engine, network: None, nobody: None }
    }

    /// A lab whose calls are made from a network namespace of its own: the "host" of bridge mode.
    pub fn in_a_network_of_its_own(engine: &'static str) -> Self {
        let mut lab = Self::new(engine);
        let file = lab.dir().join("outer");
        std::fs::write(&file, "").unwrap();
        let make = format!("--net={}", file.display());
        Local.run_ok(&Cmd::new("unshare").args([make.as_str(), "ip", "link", "set", "lo", "up"])).unwrap();
        lab.network = Some(file);
        lab
    }

    /// A lab whose calls are made by a user without rights, with a copy of the program that this user may run.
    pub fn for_nobody(engine: &'static str) -> Self {
        let mut lab = Self::new(engine);
        if rustix::process::geteuid().is_root() {
            let program = lab.dir().join("qvmrun");
            std::fs::copy(env!("CARGO_BIN_EXE_qvmrun"), &program).unwrap();
            lab.nobody = Some(program);
            lab.hand_over();
        }
        lab
    }

    /// Gives everything in the lab's folder to its user.
    pub fn hand_over(&self) {
        if self.nobody.is_some() {
            let owner = format!("{NOBODY}:{NOBODY}");
            Local.run_ok(&Cmd::new("chown").args(["-R", &owner]).arg(self.dir())).unwrap();
        }
    }

    fn program(&self) -> Cmd {
        let Some(program) = &self.nobody else { return self.cmd(env!("CARGO_BIN_EXE_qvmrun")) };
        let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".into()];
        self.cmd("setpriv").args(ids).arg(program)
    }

    /// A command where this lab's calls are made from.
    pub fn cmd(&self, program: &str) -> Cmd {
        match &self.network {
            Some(file) => Cmd::new("nsenter").args([format!("--net={}", file.display()), "--".into(), program.into()]),
            None => Cmd::new(program),
        }
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
        let cmd = self.program().args(args).timeout(Duration::from_secs(240));
        Local.run(&cmd.env("QVMRUN_HOME", self.home()).env("QVMRUN_ENGINE", self.engine)).unwrap()
    }

    /// The same, killed with `kill -9` after this many milliseconds, with everything it started.
    pub fn killed_after(&self, milliseconds: u64, args: &[&str]) {
        let cmd = Cmd::new(env!("CARGO_BIN_EXE_qvmrun")).args(args).env("QVMRUN_HOME", self.home());
        let run = Local.start(&cmd.env("QVMRUN_ENGINE", self.engine), Path::new("/dev/null")).unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        let group = rustix::process::Pid::from_raw(i32::try_from(run.pid).unwrap()).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        while run.ended().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The same, with a fault.
    pub fn faulty(&self, fault: &str, args: &[&str]) -> Output {
        let cmd = self.cmd(env!("CARGO_BIN_EXE_qvmrun")).args(args).env("QVMRUN_HOME", self.home());
        Local.run(&cmd.env("QVMRUN_ENGINE", self.engine).env("QVMRUN_TEST_FAULT", fault)).unwrap()
    }

    /// The same, and it must succeed.
    pub fn ok(&self, args: &[&str]) -> String {
        let out = self.qvmrun(args);
        assert_eq!(out.code, 0, "{args:?}: {} {}", out.text(), out.error_text());
        out.text()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(file) = &self.network {
            let _ = Local.run(&Cmd::new("umount").arg(file));
        }
    }
}
