//! The command line of `envcheck`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use envcheck::{Check, DiskNeed, Level, Report, Spec};

use crate::catalogue::Catalogue;
use crate::explain::explain;
use crate::language::Language;
use crate::tool::{Ended, Tool};
use crate::{exit, table};

/// Look at this host and say what is missing, without changing anything
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  envcheck --demo                             what the demo lab needs
  envcheck --memory-mib 6144 --disk /srv=20   6 GiB of memory, 20 GiB free at /srv
  envcheck --port 192.168.6.1:5000 --output json

Exit code 3 when something is missing.")]
struct Args {
    /// What the demo lab needs
    #[arg(long)]
    demo: bool,
    /// This user must be root
    #[arg(long)]
    root: bool,
    /// A Debian package that must be installed
    #[arg(long = "package", value_name = "NAME")]
    packages: Vec<String>,
    /// Memory that must be available
    #[arg(long, value_name = "MIB")]
    memory_mib: Option<u64>,
    /// Disk that must be free: a folder and GiB
    #[arg(long = "disk", value_name = "FOLDER=GIB", value_parser = disk)]
    disks: Vec<DiskNeed>,
    /// An address that must be free to listen on
    #[arg(long = "port", value_name = "ADDRESS:PORT")]
    ports: Vec<SocketAddr>,
}

fn disk(text: &str) -> Result<DiskNeed, String> {
    let (path, gib) = text.rsplit_once('=').ok_or("a folder, =, and GiB")?;
    let gib: u64 = gib.parse().map_err(|_| format!("{gib} is no number of GiB"))?;
    Ok(DiskNeed { path: PathBuf::from(path), bytes: gib << 30 })
}

fn spec(args: Args) -> Spec {
    let mut spec = Spec {
        root: args.root,
        packages: args.packages,
        memory: args.memory_mib.unwrap_or(0) << 20,
        disk: args.disks,
        ports: args.ports,
        ..Spec::default()
    };
    if args.demo {
        spec.root = true;
        spec.packages.extend(demolab::packages().iter().map(|p| (*p).to_owned()));
        spec.memory = spec.memory.max(4 << 30);
        spec.kernel = ["fuse", "loop", "overlay", "veth", "bridge"].map(str::to_owned).to_vec();
        spec.virtualisation = true;
        spec.disk.extend(crate::cache_dir().map(|path| DiskNeed { path, bytes: 8 << 30 }));
    }
    spec
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("envcheck").run(|ui, args: Args| async move { run(&ui, args) })
}

fn run(ui: &crate::Ui, args: Args) -> Ended {
    let report = envcheck::check(&spec(args));
    ui.result(&report, |report| human(report, ui.language()))?;
    Ok(if report.fit().is_ok() { exit::OK } else { exit::NO })
}

/// A table of everything, then each error and warning explained.
fn human(report: &Report, language: Language) -> String {
    let rows: Vec<[String; 4]> = report.findings.iter().map(row).collect();
    let mut text = table(&["CHECK", "STATE", "FOUND", "WANTED"], &rows);
    let catalogue = Catalogue::load(language);
    for finding in report.findings.iter().filter(|f| f.level >= Level::Warning) {
        let told = explain(&catalogue, finding);
        text += &format!("\n{}", if finding.level == Level::Error { told.human() } else { told.warning() });
    }
    text
}

fn row(finding: &envcheck::Finding) -> [String; 4] {
    let state = match finding.level {
        Level::Good => "good",
        Level::NotChecked => "not checked",
        Level::Warning => "warning",
        Level::Error => "ERROR",
    };
    let found = if finding.check == Check::Packages && finding.level == Level::Error {
        format!("{} missing", finding.remedy.split(' ').count())
    } else {
        finding.found.clone()
    };
    let wanted: String = finding.wanted.chars().take(60).collect();
    [finding.subject.clone(), state.to_owned(), found, wanted]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_need_is_a_folder_and_gib() {
        assert_eq!(disk("/srv/a=b=20"), Ok(DiskNeed { path: "/srv/a=b".into(), bytes: 20 << 30 }));
        assert!(disk("/srv").is_err() && disk("/srv=much").is_err());
    }

    #[test]
    fn an_error_is_explained_under_the_table() {
        let spec = Spec { packages: vec!["no-such-package-at-all".into()], ..Spec::default() };
        let text = human(&envcheck::check(&spec), Language::English);
        assert!(text.starts_with("CHECK") && text.contains("clock"), "{text}");
    }
}
