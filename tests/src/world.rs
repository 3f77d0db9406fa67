//! The place a suite runs in: a fresh folder with its own home, kubeconfig and environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use machine::{Cmd, Local, Output};
use tempfile::TempDir;

use crate::foreign;
use crate::proof::{Fail, tail};

/// Set when a person or the machine asks the program to stop: everything fails quickly and the ends are tidied up.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// The environment variable that marks every process started by this run.
pub(crate) const MARK: &str = "AIRLAB_E2E";

/// A fresh folder and everything needed to run the product in it.
pub(crate) struct World {
    root: TempDir,
    programs: PathBuf,
    cache: PathBuf,
    prefix: Vec<String>,
    lab: String,
    has_file: bool,
    deadline: Mutex<Instant>,
    last: Mutex<String>,
    engine: Mutex<Option<&'static str>>,
}

impl World {
    /// A world for the lab of this name with this lab file; without one the product's embedded lab is meant.
    pub(crate) fn new(lab: &str, lab_file: Option<&str>) -> Result<Self, Fail> {
        let root = TempDir::with_prefix("airlab-e2e-")?;
        let exe = std::env::current_exe()?;
        let programs = exe.parent().unwrap_or(Path::new(".")).to_owned();
        fs::create_dir_all(root.path().join("home/.kube"))?;
        fs::create_dir_all(root.path().join("work"))?;
        fs::write(root.path().join("home/.kube/config"), foreign::KUBECONFIG)?;
        if let Some(text) = lab_file {
            fs::write(root.path().join("lab.toml"), text)?;
        }
        Ok(Self {
            root,
            programs,
            cache: cache(),
            prefix: Vec::new(),
            lab: lab.to_owned(),
            has_file: lab_file.is_some(),
            deadline: Mutex::new(Instant::now()),
            last: Mutex::default(),
            engine: Mutex::default(),
        })
    }

    /// The same world, with every program of the product started through these words.
    pub(crate) fn through(mut self, prefix: &[&str]) -> Self {
        self.prefix = prefix.iter().map(|w| (*w).to_owned()).collect();
        self
    }

    /// The same world with a cache of its own, empty.
    pub(crate) fn with_its_own_cache(mut self) -> Self {
        self.cache = self.root.path().join("cache");
        self
    }

    /// Where the product keeps what can be made again.
    pub(crate) fn cache(&self) -> PathBuf {
        self.cache.clone()
    }

    /// From now on the product is given this word for its provider.
    pub(crate) fn set_engine(&self, name: &'static str) {
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
    }

    /// The folder the product works in.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// A scratch file or folder outside the working folder.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The user's kubeconfig in this world.
    pub(crate) fn user_kubeconfig(&self) -> PathBuf {
        self.root.path().join("home/.kube/config")
    }

    /// The lab's folder.
    pub(crate) fn lab_dir(&self) -> PathBuf {
        self.work().join(".airlab").join(&self.lab)
    }

    /// The lab's name.
    pub(crate) fn lab(&self) -> &str {
        &self.lab
    }

    /// A program built beside this one.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Any program with the world's environment and folder.
    pub(crate) fn cmd(&self, program: impl AsRef<Path>) -> Cmd {
        let program = program.as_ref().display().to_string();
        let mut words = self.prefix.iter().cloned().chain([program]);
        self.bare(&words.next().unwrap_or_default()).args(words)
    }

    /// The same without the words every program of the product is started through.
    pub(crate) fn bare(&self, program: &str) -> Cmd {
        let cmd = Cmd::new(program).dir(self.work()).env("HOME", self.root.path().join("home"));
        let cmd = cmd.env(MARK, self.root.path()).env("AIRLAB_CACHE", &self.cache);
        let cmd = cmd.env("KUBECONFIG", self.user_kubeconfig()).env("LC_ALL", "C.UTF-8");
        match *self.engine.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(name) => cmd.env("AIRLAB_ENGINE", name),
            None => cmd,
        }
    }

    /// The product with a verb, the lab's file where it has one, and further arguments.
    pub(crate) fn airlab(&self, verb: &str, args: &[&str]) -> Cmd {
        let cmd = self.cmd(self.program("airlab")).arg(verb);
        let cmd = if self.has_file { cmd.arg("--lab").arg(self.scratch("lab.toml")) } else { cmd };
        cmd.args(args)
    }

    /// Runs to the end, never longer than the check's deadline; any exit code is a result.
    pub(crate) fn run(&self, cmd: Cmd) -> Result<Output, Fail> {
        self.going_on()?;
        let out = Local.run(&cmd.clone().timeout(self.left()))?;
        self.set_last(&tail(&format!("{}\n{}", out.text(), out.error_text()), 1));
        Ok(out)
    }

    /// Runs to the end; any exit code but 0 is a failure.
    pub(crate) fn ok(&self, cmd: Cmd) -> Result<Output, Fail> {
        let words = cmd.to_string();
        let out = self.run(cmd)?;
        if out.code == 0 {
            return Ok(out);
        }
        let said = tail(&format!("{}\n{}", out.text(), out.error_text()), 4);
        Err(Fail(format!("`{}` ended with {}: {said}", short(&words), out.code)))
    }

    /// Runs a command on a node as the login user, through the product.
    pub(crate) fn on(&self, node: &str, argv: &[&str]) -> Result<Output, Fail> {
        let args: Vec<&str> = [node, "--"].into_iter().chain(argv.iter().copied()).collect();
        self.ok(self.airlab("ssh", &args))
    }

    /// Runs a line of shell on a node as root.
    pub(crate) fn root_on(&self, node: &str, line: &str) -> Result<Output, Fail> {
        self.on(node, &["sudo", "sh", "-c", line])
    }

    /// Looks until the answer is there; the last reason is told when the check's deadline passes.
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Result<T, Fail>) -> Result<T, Fail> {
        loop {
            let why = match look() {
                Ok(value) => return Ok(value),
                Err(why) => why.0,
            };
            self.set_last(&format!("waiting for {what}: {why}"));
            self.going_on()?;
            if self.left() < Duration::from_secs(1) {
                return Err(Fail(format!("{what} did not come true; last: {why}")));
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    pub(crate) fn set_deadline(&self, at: Instant) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// What is left of the running check's time.
    pub(crate) fn left(&self) -> Duration {
        let at = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        at.saturating_duration_since(Instant::now()).max(Duration::from_millis(200))
    }

    pub(crate) fn set_last(&self, line: &str) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = short(line);
    }

    /// The last line a program of the product said.
    pub(crate) fn last(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fails once the program was asked to stop.
    pub(crate) fn going_on(&self) -> Result<(), Fail> {
        if STOP.load(Ordering::SeqCst) { Err(Fail(format!("interrupted; last: {}", self.last()))) } else { Ok(()) }
    }
}

/// The cache of built parts, which is the user's own: building them is not what is tested here.
pub(crate) fn cache() -> PathBuf {
    let dir = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    dir("AIRLAB_CACHE")
        .or_else(|| dir("XDG_CACHE_HOME").map(|d| d.join("airlab")))
        .or_else(|| dir("HOME").map(|d| d.join(".cache/airlab")))
        .unwrap_or_else(|| PathBuf::from(".cache/airlab"))
}

/// At most 160 characters of one line.
fn short(text: &str) -> String {
    let line: String = text.chars().map(|c| if c == '\n' { ' ' } else { c }).collect();
    if line.chars().count() <= 160 { line } else { line.chars().take(157).collect::<String>() + "..." }
}
