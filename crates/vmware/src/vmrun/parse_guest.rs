//! Reading vmrun's answers about what is inside a guest.

use std::net::IpAddr;

use super::parse::counted;
use super::text::lines;

/// What VMware knows about the Tools in a guest. A hint, not a decision: it lags in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolsState {
    /// Not known; so for every machine that is off.
    Unknown,
    /// Installed, not answering.
    Installed,
    /// Answering.
    Running,
}

/// A process in a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestProcess {
    /// Its id.
    pub pid: u32,
    /// Whose it is.
    pub owner: String,
    /// Its command line.
    pub command: String,
}

/// Reads the answer of `getGuestIPAddress`: `None` when there is none yet (`unknown`).
pub fn guest_address(text: &str) -> Option<IpAddr> {
    lines(text).rev().find_map(|l| l.trim().parse().ok())
}

/// Reads the answer of `checkToolsState`.
pub fn tools_state(text: &str) -> Option<ToolsState> {
    match lines(text).next_back()?.trim() {
        "unknown" => Some(ToolsState::Unknown),
        "installed" => Some(ToolsState::Installed),
        "running" => Some(ToolsState::Running),
        _ => None,
    }
}

/// Reads the answer of `listProcessesInGuest`.
pub fn processes(text: &str) -> Option<Vec<GuestProcess>> {
    let one = |line: &str| {
        let (pid, rest) = line.trim_start().strip_prefix("pid=")?.split_once(", owner=")?;
        let (owner, command) = rest.split_once(", cmd=")?;
        Some(GuestProcess { pid: pid.parse().ok()?, owner: owner.to_owned(), command: command.to_owned() })
    };
    counted(text, "Process list:")?.into_iter().map(one).collect()
}

/// Reads the answer of `fileExistsInGuest` and `directoryExistsInGuest`.
pub fn exists(text: &str) -> Option<bool> {
    lines(text).rev().find_map(|line| match line.trim() {
        "The file exists." | "The directory exists." => Some(true),
        "The file does not exist." | "The directory does not exist." => Some(false),
        _ => None,
    })
}

/// Reads the answer of `listDirectoryInGuest`: one header line that ends with the number of names, then the names.
pub fn directory(text: &str) -> Option<Vec<String>> {
    let mut rest = lines(text);
    let count: usize = rest.by_ref().find_map(|l| l.rsplit_once(':')?.1.trim().parse().ok())?;
    let names: Vec<String> = rest.take(count).map(str::to_owned).collect();
    (names.len() == count).then_some(names)
}

/// Reads the answer of `createTempfileInGuest`: an absolute path.
pub fn temp_file(text: &str) -> Option<String> {
    let absolute = |l: &&str| l.starts_with('/') || l.get(1..3) == Some(":\\");
    lines(text).map(str::trim).rfind(absolute).map(str::to_owned)
}
