//! The registry as a service of the system: what is written and which programs are run, worked out before anything is
//! done. Nothing here touches the system.

mod systemd;
mod windows;

use std::path::PathBuf;

/// Who starts the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// systemd, for the whole machine; needs root.
    System,
    /// systemd, for one user.
    User,
    /// The service control manager of Windows; needs an administrator.
    Windows,
}

/// The service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name, `airlab-registry`: letters, digits, `-` and `_`.
    pub name: String,
    /// Who starts it.
    pub manager: Manager,
    /// The program and its arguments, absolute paths.
    pub command: Vec<String>,
    /// Folders that it writes.
    pub writes: Vec<PathBuf>,
    /// The folder of units: `/etc/systemd/system`, `~/.config/systemd/user`. Not used on Windows.
    pub units: PathBuf,
}

/// One step of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceStep {
    /// Writes a file.
    Write {
        /// Its path.
        path: PathBuf,
        /// Its whole content.
        text: String,
    },
    /// Removes a file.
    Remove {
        /// Its path.
        path: PathBuf,
    },
    /// Runs a program; its exit code must be 0.
    Run {
        /// Program and arguments.
        words: Vec<String>,
    },
}

/// What was seen of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceSeen {
    /// The unit file's content; on Windows the command that the manager starts.
    pub definition: Option<String>,
    /// Whether it starts with the machine, or at login.
    pub enabled: bool,
    /// Whether it runs.
    pub active: bool,
}

impl Service {
    /// Whether a name is one that every manager takes.
    pub fn is_name(text: &str) -> bool {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !text.is_empty() && text.len() <= 64 && !text.starts_with('-') && text.bytes().all(plain)
    }

    /// What must be done so that it is installed and runs, given what was seen. Nothing when it is.
    ///
    /// ```
    /// use registry_mirror::{Manager, Service, ServiceSeen};
    /// let service = Service {
    ///     name: "registry".into(),
    ///     manager: Manager::System,
    ///     command: vec!["/usr/bin/registry-mirror".into(), "serve".into()],
    ///     writes: vec!["/srv/registry".into()],
    ///     units: "/etc/systemd/system".into(),
    /// };
    /// let steps = service.install(&ServiceSeen::default());
    /// assert_eq!(steps.len(), 4); // write, reload, enable, start
    /// let there = ServiceSeen { definition: Some(service.definition()), enabled: true, active: true };
    /// assert!(service.install(&there).is_empty());
    /// ```
    pub fn install(&self, seen: &ServiceSeen) -> Vec<ServiceStep> {
        match self.manager {
            Manager::Windows => windows::install(self, seen),
            _ => systemd::install(self, seen),
        }
    }

    /// What must be done so that nothing of it is left.
    pub fn uninstall(&self, seen: &ServiceSeen) -> Vec<ServiceStep> {
        match self.manager {
            Manager::Windows => windows::uninstall(self, seen),
            _ => systemd::uninstall(self, seen),
        }
    }

    /// The unit file's content; on Windows the command that the manager starts.
    pub fn definition(&self) -> String {
        match self.manager {
            Manager::Windows => windows::command_line(&self.command),
            _ => systemd::unit(self),
        }
    }

    /// The questions that show what there is: definition, enabled, active. systemd's definition is its file, so its
    /// first question is empty.
    pub fn questions(&self) -> [Vec<String>; 3] {
        match self.manager {
            Manager::Windows => windows::questions(self),
            _ => systemd::questions(self),
        }
    }

    /// Reads the answers to [`Service::questions`] (exit code and output), and the unit file where there is one.
    pub fn seen(&self, unit: Option<String>, answers: &[(i32, String); 3]) -> ServiceSeen {
        match self.manager {
            Manager::Windows => windows::seen(answers),
            _ => systemd::seen(unit, answers),
        }
    }

    /// Where systemd's unit file is.
    pub fn unit_path(&self) -> Option<PathBuf> {
        (self.manager != Manager::Windows).then(|| self.units.join(format!("{}.service", self.name)))
    }
}

fn run(words: &[&str]) -> ServiceStep {
    ServiceStep::Run { words: words.iter().map(|w| (*w).to_owned()).collect() }
}
