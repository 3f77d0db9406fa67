//! The machine that nodes are cloned from.

use crate::autoinstall::LateCommand;
use crate::seed::INSTALLED;
use crate::{NodeFile, Seed, hardening};

/// Run inside the installed system, at the end: takes away what must not be the same in two machines.
const FORGET: &str = include_str!("../../../guest/golden-forget");
/// Puts a file: mode, path, text. Without /dev/stdin, which not every installer's /dev has.
const PUT: &str = "umask 022; mkdir -p \"${2%/*}\" && umask 077 && printf %s \"$3\" > \"$2\" && chmod \"$1\" \"$2\"";
/// Says on the console that all before it went well and is on the disk. The command itself does not hold the text that it
/// prints: installers print their commands too.
const SAY: &str = "sync; printf 'airlab-%s %s\\n' \"$1\" \"$2\" | tee /dev/console";
/// What it says, before the seed's hash.
const READY_TO_CLONE: &str = "golden-ready";

/// What all nodes of a lab share.
#[derive(Debug, Clone)]
pub struct GoldenSpec {
    /// Authorities for the system trust store, each one PEM certificate.
    pub trusted_cas: Vec<String>,
    /// More files: scripts, units, environment files.
    pub files: Vec<NodeFile>,
    /// systemd units that start with every boot.
    pub units: Vec<String>,
    /// `en_US.UTF-8` and the like.
    pub locale: String,
    /// Keyboard layout: `us`, `kr`.
    pub keyboard: String,
}

impl Default for GoldenSpec {
    fn default() -> Self {
        let (locale, keyboard) = ("en_US.UTF-8".into(), "us".into());
        Self { trusted_cas: Vec::new(), files: Vec::new(), units: Vec::new(), locale, keyboard }
    }
}

impl Seed {
    /// The line that a machine installed from a seed of [`golden`](crate::golden()) writes to its console when nothing is
    /// left to be done but to switch itself off.
    pub fn golden_mark(&self) -> String {
        format!("airlab-{READY_TO_CLONE} {}", self.content_hash)
    }
}

pub(crate) fn late_commands(spec: &GoldenSpec, hash: &str) -> Vec<LateCommand> {
    let authority = |(n, pem): (usize, &String)| {
        NodeFile::new(format!("/usr/local/share/ca-certificates/airlab-{n}.crt"), pem.clone(), 0o644)
    };
    let installed = NodeFile::new(INSTALLED, format!("{hash}\n"), 0o644);
    let files = hardening::files().into_iter().chain(spec.files.iter().cloned());
    let files = files.chain(spec.trusted_cas.iter().enumerate().map(authority)).chain([installed]);
    let mut commands: Vec<LateCommand> =
        files.map(|f| in_target(&["sh", "-c", PUT, "sh", &format!("{:04o}", f.mode), &f.path, &f.content])).collect();
    if !spec.trusted_cas.is_empty() {
        commands.push(in_target(&["update-ca-certificates"]));
    }
    commands.push(in_target(&["systemctl", "mask", "systemd-timesyncd.service"]));
    if !spec.units.is_empty() {
        let units = spec.units.iter().map(String::as_str);
        commands.push(in_target(&["systemctl", "enable"].into_iter().chain(units).collect::<Vec<_>>()));
    }
    commands.push(in_target(&["sh", "-c", FORGET]));
    commands.push(argv(&["sh", "-c", SAY, "sh", READY_TO_CLONE, hash]));
    commands
}

fn in_target(command: &[&str]) -> LateCommand {
    argv(&[&["curtin", "in-target", "--target=/target", "--"], command].concat())
}

fn argv(words: &[&str]) -> LateCommand {
    LateCommand::Argv(words.iter().map(|w| (*w).to_owned()).collect())
}
