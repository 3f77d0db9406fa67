//! The vmrun that is looked at, and machines for it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use machine::{Cmd, Local};
use vmware::{DiskBus, DiskFormat, Firmware, NodeSpec, Vmdk, Vmx};

use crate::case::Needs;
use crate::report::Call;

/// Longer than any command may take.
const DEADLINE: Duration = Duration::from_secs(300);

/// A guest that is on, with a login.
#[derive(Debug, Clone)]
pub struct Guest {
    pub vmx: String,
    pub user: String,
    pub password: String,
}

/// A program that speaks vmrun's language, and what it has machines for.
pub struct Subject {
    pub name: String,
    program: PathBuf,
    env: Vec<(String, String)>,
    dir: tempfile::TempDir,
    /// An installed machine with a snapshot `golden`, to make machines from.
    golden: Option<String>,
    guest: Option<Guest>,
    /// Why blank machines cannot be started, if they cannot.
    not_started: Option<String>,
}

impl Subject {
    pub fn new(name: &str, program: &Path, env: Vec<(String, String)>) -> Self {
        let dir = tempfile::Builder::new().prefix("contract").tempdir().unwrap();
        let (name, program) = (name.to_owned(), program.to_owned());
        Self { name, program, env, dir, golden: None, guest: None, not_started: None }
    }

    pub fn with_guest(mut self, guest: Option<Guest>) -> Self {
        self.guest = guest;
        self
    }

    pub fn with_env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    pub fn with_golden(mut self, vmx: String) -> Self {
        self.golden = Some(vmx);
        self
    }

    /// Tries whether a blank machine starts.
    pub fn probed(mut self) -> Self {
        let machine = self.blank("probe");
        let vmx = machine.shown();
        let start = self.call(&["start", &vmx, "nogui"], None);
        if start.code != Some(0) || start.stdout.contains("Error:") {
            self.not_started = Some(format!("a blank machine does not start: {}", start.stdout));
        }
        self.clear(&machine);
        self
    }

    pub fn dir(&self) -> PathBuf {
        self.dir.path().canonicalize().map_or(self.dir.path().to_owned(), |dir| plain(&dir))
    }

    pub fn golden_path(&self) -> PathBuf {
        self.dir().join("golden").join("m.vmx")
    }

    /// One call. A guest's login comes before the command, unless the words begin with flags of their own.
    pub fn call(&self, words: &[&str], login: Option<&Guest>) -> Call {
        let mut argv: Vec<String> = Vec::new();
        if words.first().is_some_and(|w| *w != "-T") {
            argv.extend(["-T".to_owned(), "ws".to_owned()]);
            if let Some(guest) = login {
                argv.extend(["-gu", &guest.user, "-gp", &guest.password].map(str::to_owned));
            }
        }
        argv.extend(words.iter().map(|w| (*w).to_owned()));
        let mut cmd = Cmd::new(&self.program).args(&argv).timeout(DEADLINE);
        for (key, value) in &self.env {
            cmd = cmd.env(key, value);
        }
        let begun = Instant::now();
        let ended = Local.run(&cmd);
        let seconds = begun.elapsed().as_secs_f64();
        let hidden = |i: usize| i > 0 && argv[i - 1] == "-gp";
        let argv = argv.iter().enumerate().map(|(i, a)| if hidden(i) { "***".into() } else { a.clone() }).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n").trim_end().to_owned();
        match ended {
            Ok(out) => {
                let stdout = self.own_machines(words, &text(&out.stdout));
                Call { argv, code: Some(out.code), stdout, stderr: text(&out.stderr), seconds }
            }
            Err(error) => Call { argv, code: None, stdout: String::new(), stderr: error.to_string(), seconds },
        }
    }

    /// Other machines of this host are nobody's business.
    fn own_machines(&self, words: &[&str], stdout: &str) -> String {
        let folder = self.dir().display().to_string().replace('\\', "/").to_lowercase();
        let foreign = |line: &str| {
            let line = line.replace('\\', "/").to_lowercase();
            line.ends_with(".vmx") && !line.contains(&folder)
        };
        if words != ["list"] {
            return stdout.to_owned();
        }
        stdout.lines().map(|l| if foreign(l) { "(a machine of this host)" } else { l }).collect::<Vec<_>>().join("\n")
    }

    /// A machine for a case, or why there is none.
    pub fn machine(&self, needs: Needs, folder: &str) -> Result<Machine, String> {
        let blank_starts = || self.not_started.clone().map_or(Ok(()), Err);
        match (needs, &self.golden) {
            (Needs::Off, _) => Ok(self.blank(folder)),
            (Needs::Memory, _) => blank_starts().map(|()| self.blank(folder)),
            (Needs::Startable, None) => blank_starts().map(|()| self.blank(folder)),
            (Needs::Startable, Some(golden)) => self.clone_of(golden, folder),
            (Needs::Guest, Some(golden)) => {
                let mut machine = self.clone_of(golden, folder)?;
                self.must(&["start", &machine.shown(), "nogui"])?;
                self.must(&["getGuestIPAddress", &machine.shown(), "-wait"])?;
                machine.login = Some(Guest { vmx: machine.shown(), user: "root".into(), password: "-".into() });
                Ok(machine)
            }
            (Needs::Guest, None) => {
                let guest = self.guest.clone().ok_or("no guest with Tools is given")?;
                let dir = self.dir().join(folder);
                std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
                Ok(Machine { dir, vmx: guest.vmx.clone().into(), login: Some(guest), ours: false })
            }
        }
    }

    fn must(&self, words: &[&str]) -> Result<(), String> {
        let call = self.call(words, None);
        if call.code == Some(0) { Ok(()) } else { Err(format!("{words:?}: {} {}", call.stdout, call.stderr)) }
    }

    /// The clone stands on a network that the golden machine has too: one of them at a time.
    fn clone_of(&self, golden: &str, folder: &str) -> Result<Machine, String> {
        let dir = self.dir().join(folder);
        let machine = Machine { vmx: dir.join("m.vmx"), dir, login: None, ours: true };
        self.must(&["clone", golden, &machine.shown(), "linked", "-snapshot=golden"])?;
        Ok(machine)
    }

    fn blank(&self, folder: &str) -> Machine {
        let dir = self.dir().join(folder);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("cd.iso"), vec![0; 1 << 20]).unwrap();
        Vmdk::new(16 << 20, DiskFormat::Sparse).create(&dir.join("m.vmdk")).unwrap();
        let mut vmx = Vmx::for_node(&NodeSpec {
            name: "contract".into(),
            memory_mib: 64,
            cpus: 1,
            mac: "00:50:56:06:00:f0".into(),
            disk_file: "m.vmdk".into(),
            installer: Some(dir.join("cd.iso")),
            cidata: None,
            vnet: "VMnet1".into(),
            firmware: Firmware::Bios,
            disk_bus: DiskBus::Sata,
            hw_version: 19,
            serial_log: "serial0.log".into(),
        });
        let adapter: Vec<String> =
            vmx.entries().map(|(k, _)| k.to_owned()).filter(|k| k.starts_with("ethernet0")).collect();
        adapter.iter().for_each(|key| vmx.remove(key));
        let machine = Machine { vmx: dir.join("m.vmx"), dir, login: None, ours: true };
        std::fs::write(&machine.vmx, vmx.render()).unwrap();
        machine
    }

    /// Removes a case's machine, whatever state it is in, and its clone.
    pub fn clear(&self, machine: &Machine) {
        for vmx in [machine.clone_path().display().to_string(), machine.shown()] {
            if (machine.ours || vmx != machine.shown()) && Path::new(&vmx).exists() {
                self.call(&["stop", &vmx, "hard"], None);
                self.call(&["deleteVM", &vmx], None);
            }
        }
    }
}

/// A machine of a case.
pub struct Machine {
    pub dir: PathBuf,
    pub vmx: PathBuf,
    pub login: Option<Guest>,
    ours: bool,
}

impl Machine {
    pub fn shown(&self) -> String {
        self.vmx.display().to_string()
    }

    pub fn clone_path(&self) -> PathBuf {
        self.dir.join("clone").join("c.vmx")
    }

    /// Puts paths in the place of their names.
    pub fn fill(&self, text: &str) -> String {
        let at = |name: &str| self.dir.join(name).display().to_string();
        let places = [
            ("{vmx}", self.shown()),
            ("{clone}", self.clone_path().display().to_string()),
            ("{iso}", at("cd.iso")),
            ("{local}", at("local.txt")),
            ("{missing}", at("missing.vmx")),
            ("{dir}", self.dir.display().to_string()),
        ];
        places.iter().fold(text.to_owned(), |text, (name, path)| text.replace(name, path))
    }
}

/// Without the prefix that Windows puts before canonical paths: vmrun does not know it.
fn plain(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    text.strip_prefix(r"\\?\").map_or(path.to_owned(), PathBuf::from)
}
