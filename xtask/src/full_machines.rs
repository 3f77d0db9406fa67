//! The packages that run full machines: `e2e boot` and `bench boot` need them, `provision` does not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Cmd, Local};

use crate::lab::target;
use crate::{packages, say};

/// A package and a file that is there when it is installed.
const NEEDED: &[(&str, &str)] =
    &[("qemu-system-x86", "/usr/bin/qemu-system-x86_64"), ("ovmf", "/usr/share/OVMF/OVMF_CODE_4M.fd")];

/// The packages that are not installed.
pub(crate) fn missing() -> Vec<&'static str> {
    NEEDED.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(name, _)| *name).collect()
}

/// Installs what is missing. Where the machine has QEMU's tools from backports, the emulator of its own release would
/// push them out; then it comes from backports too, by lists of its own: the machine's package sources stay as they are,
/// and nothing is ever removed.
pub(crate) fn ensure(yes: bool) -> Result<(), String> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let words = missing.join(" ");
    let how = format!("full machines need the packages {words}\nwhat to do:\n  {}", packages::command(&missing));
    if !yes || !packages::root() || Local.run(&Cmd::new("apt-get").arg("--version")).is_err() {
        return Err(how);
    }
    say::line(&format!("installing {words}"));
    let own = Apt { options: Vec::new() };
    let lists_are_old = own.run(&[&["install", "--simulate"][..], &missing].concat()).is_err();
    if lists_are_old {
        own.run(&["update"]).unwrap_or_else(|why| say::line(&format!("package lists could not be renewed: {why}")));
    }
    let install = |apt: &Apt, more: &[&str]| {
        apt.run(&[&["install", "--yes", "--no-remove", "--no-install-recommends"][..], more, &missing].concat())
    };
    let Err(why) = install(&own, &[]) else { return Ok(()) };
    say::line(&format!("the machine's own release does not fit ({why}); taking its backports"));
    let release = release().ok_or_else(|| how.clone())?;
    let private = Apt::private(&target().join("xtask").join("apt"), &release)?;
    private
        .run(&["update"])
        .and_then(|()| install(&private, &["--target-release", &format!("{release}-backports")]))
        .map_err(|why| format!("{why}\n{how}"))
}

/// apt-get with these options before its words.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// One with its own sources list and lists folder, from the mirrors that the machine itself uses.
    fn private(dir: &Path, release: &str) -> Result<Self, String> {
        let (list, lists) = (dir.join("sources.list"), dir.join("lists"));
        let text = demolab::sources_with_backports(release).map_err(|e| steps::chain(&e))?;
        let write =
            |path: &PathBuf| std::fs::create_dir_all(lists.join("partial")).and_then(|()| std::fs::write(path, &text));
        write(&list).map_err(|e| format!("{}: {e}", list.display()))?;
        let options = [
            format!("Dir::Etc::SourceList={}", list.display()),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={}", lists.display()),
            format!("Dir::Cache::pkgcache={}", dir.join("pkgcache.bin").display()),
            format!("Dir::Cache::srcpkgcache={}", dir.join("srcpkgcache.bin").display()),
        ];
        Ok(Self { options: options.into() })
    }

    fn run(&self, words: &[&str]) -> Result<(), String> {
        let cmd = Cmd::new("apt-get").args(["-q", "-o", "DPkg::Lock::Timeout=120"]);
        let cmd = self.options.iter().fold(cmd, |cmd, option| cmd.args(["-o", option])).args(words.iter().copied());
        let cmd = cmd.env("DEBIAN_FRONTEND", "noninteractive").timeout(Duration::from_secs(600));
        Local.run_ok(&cmd).map(|_| ()).map_err(|e| steps::chain(&e))
    }
}

/// The code name of this machine's Debian.
fn release() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let name = text.lines().find_map(|l| l.strip_prefix("VERSION_CODENAME="))?;
    Some(name.trim_matches('"').to_owned())
}
