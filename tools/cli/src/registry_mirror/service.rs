//! `registry-mirror service install|status|uninstall`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Cmd, Local};
use registry_mirror::{Manager, RegistryError, Service, ServiceSeen, ServiceStep};
use serde::Serialize;

use super::serve::Serve;
use crate::{Ended, Failure, Ui, exit};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Install and start the service; says what it does, and does nothing when it is there
    Install {
        #[command(flatten)]
        which: Which,
        /// Only say what would be done
        #[arg(long)]
        plan: bool,
        #[command(flatten)]
        serve: Serve,
    },
    /// Say whether the service is installed, enabled and running
    Status(Which),
    /// Stop and remove the service; the store stays
    Uninstall {
        #[command(flatten)]
        which: Which,
        /// Only say what would be done
        #[arg(long)]
        plan: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The service's name
    #[arg(long, default_value = "airlab-registry", value_parser = name)]
    name: String,
    /// For this user only, not for the whole machine
    #[arg(long)]
    user: bool,
    /// Folder of systemd's unit files, where it is not the usual one
    #[arg(long, value_name = "DIR", hide = true)]
    units: Option<PathBuf>,
}

fn name(text: &str) -> Result<String, String> {
    if Service::is_name(text) { Ok(text.to_owned()) } else { Err("letters, digits, - and _ only".into()) }
}

#[derive(Serialize)]
struct Report {
    name: String,
    installed: bool,
    enabled: bool,
    active: bool,
    /// What was done, or would be done.
    steps: Vec<String>,
}

pub(super) async fn run(ui: &Ui, verb: Verb) -> Ended {
    match verb {
        Verb::Status(which) => {
            let service = which.service(Vec::new(), Vec::new());
            let seen = observe(&service)?;
            let code = if seen.active { exit::OK } else { exit::FAILED };
            report(ui, &service, &seen, Vec::new())?;
            Ok(code)
        }
        Verb::Uninstall { which, plan } => {
            let service = which.service(Vec::new(), Vec::new());
            let steps = service.uninstall(&observe(&service)?);
            change(ui, &service, &steps, plan)
        }
        Verb::Install { which, plan, serve } => {
            let program = std::env::current_exe().map_err(file(Path::new("registry-mirror"), "read"))?;
            let named = cfg!(windows).then(|| ["--as-service".into(), which.name.clone()]);
            let command = [program.display().to_string(), "serve".into()].into_iter().chain(serve.words()?);
            let command = command.chain(named.into_iter().flatten()).collect();
            let mut writes = vec![absolute(&serve.store)?];
            writes.extend(serve.log.as_deref().and_then(Path::parent).map(absolute).transpose()?);
            for dir in writes.iter().filter(|_| !plan) {
                std::fs::create_dir_all(dir).map_err(file(dir, "write"))?;
            }
            let service = which.service(command, writes);
            let steps = service.install(&observe(&service)?);
            change(ui, &service, &steps, plan)
        }
    }
}

impl Which {
    fn service(self, command: Vec<String>, writes: Vec<PathBuf>) -> Service {
        let manager = match (cfg!(windows), self.user) {
            (true, _) => Manager::Windows,
            (false, true) => Manager::User,
            (false, false) => Manager::System,
        };
        let units = self.units.unwrap_or_else(|| match manager {
            Manager::User => config_dir().join("systemd/user"),
            _ => PathBuf::from("/etc/systemd/system"),
        });
        Service { name: self.name, manager, command, writes, units }
    }
}

fn config_dir() -> PathBuf {
    let dir = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    dir("XDG_CONFIG_HOME").or_else(|| Some(dir("HOME")?.join(".config"))).unwrap_or_else(|| PathBuf::from(".config"))
}

fn observe(service: &Service) -> Result<ServiceSeen, Failure> {
    let unit = service.unit_path().and_then(|path| std::fs::read_to_string(path).ok());
    let mut answers = [(0, String::new()), (0, String::new()), (0, String::new())];
    for (question, answer) in service.questions().iter().zip(&mut answers) {
        if let Some(cmd) = command(question) {
            let out = Local.run(&cmd)?;
            *answer = (out.code, out.text());
        }
    }
    Ok(service.seen(unit, &answers))
}

fn change(ui: &Ui, service: &Service, steps: &[ServiceStep], plan: bool) -> Ended {
    let words = steps.iter().map(|step| match step {
        ServiceStep::Write { path, .. } => format!("write {}", path.display()),
        ServiceStep::Remove { path } => format!("remove {}", path.display()),
        ServiceStep::Run { words } => format!("run {}", command(words).map(|c| c.to_string()).unwrap_or_default()),
    });
    let words: Vec<String> = words.collect();
    for (step, text) in steps.iter().zip(&words).filter(|_| !plan) {
        ui.say(text);
        match step {
            ServiceStep::Write { path, text } => {
                let dir = path.parent().unwrap_or(Path::new("."));
                std::fs::create_dir_all(dir).map_err(file(dir, "write"))?;
                machine::write_file(path, text.as_bytes(), 0o644)?;
            }
            ServiceStep::Remove { path } => std::fs::remove_file(path).map_err(file(path, "remove"))?,
            ServiceStep::Run { words } => {
                if let Some(cmd) = command(words) {
                    Local.run_ok(&cmd)?;
                }
            }
        }
    }
    report(ui, service, &observe(service)?, words)?;
    Ok(exit::OK)
}

fn report(ui: &Ui, service: &Service, seen: &ServiceSeen, steps: Vec<String>) -> Result<(), Failure> {
    let (enabled, active) = (seen.enabled, seen.active);
    let report = Report { name: service.name.clone(), installed: seen.definition.is_some(), enabled, active, steps };
    ui.result(&report, |r| {
        let word = |is: bool, yes: &'static str, no: &'static str| if is { yes } else { no };
        let [installed, enabled, active] = [
            word(r.installed, "installed", "not installed"),
            word(r.enabled, "enabled", "not enabled"),
            word(r.active, "running", "not running"),
        ];
        let steps: String = r.steps.iter().map(|step| format!("{step}\n")).collect();
        format!("{steps}{}: {installed}, {enabled}, {active}", r.name)
    })
}

fn command(words: &[String]) -> Option<Cmd> {
    let (program, args) = words.split_first()?;
    Some(Cmd::new(program).args(args).timeout(Duration::from_secs(90)))
}

/// A path as a service sees it, which starts somewhere else.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    Ok(std::path::absolute(path).map_err(file(path, "read"))?)
}

fn file(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> RegistryError {
    let path = path.to_owned();
    move |source| RegistryError::File { path, doing, source }
}
