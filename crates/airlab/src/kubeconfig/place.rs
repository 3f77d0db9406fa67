//! The kubeconfigs of a person: their own, and on a desktop with WSL the one on the other side.

use std::path::PathBuf;
use std::time::Duration;

use kubecfg::{KubecfgError, Saved};
use machine::{Cmd, ExecError, Local};
use steps::Problem;

use super::wsl::Wsl;

/// A kubeconfig could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The file.
    #[error(transparent)]
    File(#[from] KubecfgError),
    /// The program in between.
    #[error(transparent)]
    Program(#[from] ExecError),
}

impl Problem for PlaceError {
    fn id(&self) -> &'static str {
        match self {
            Self::File(inner) => inner.id(),
            Self::Program(inner) => inner.id(),
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::File(inner) => inner.args(),
            Self::Program(inner) => inner.args(),
        }
    }
}

/// One kubeconfig that can be merged into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of this system.
    File(PathBuf),
    /// `~/.kube/config` in a distribution of WSL, reached through `wsl.exe`.
    Wsl(Wsl),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Wsl(wsl) => write!(f, "{wsl}"),
        }
    }
}

impl Place {
    /// Its text; empty when it does not exist.
    ///
    /// # Errors
    /// Where it cannot be read, or is no text.
    pub fn read(&self) -> Result<String, PlaceError> {
        match self {
            Self::File(path) => Ok(kubecfg::read(path)?),
            Self::Wsl(wsl) => wsl.read(),
        }
    }

    /// Writes it for its owner alone and keeps the former text beside it. An empty text removes it.
    ///
    /// # Errors
    /// Where it is read-only or cannot be written.
    pub fn save(&self, text: &str) -> Result<Saved, PlaceError> {
        match self {
            Self::File(path) => {
                let saved = kubecfg::save(path, text)?;
                if cfg!(windows) && saved.changed && !text.is_empty() {
                    for file in saved.backup.iter().chain([path]) {
                        restrict(file)?;
                    }
                }
                Ok(saved)
            }
            Self::Wsl(wsl) => wsl.save(text),
        }
    }
}

/// Where a cluster goes: `own`, and beside it the kubeconfig on the other side of WSL, where there is one.
pub fn places(own: PathBuf) -> Vec<Place> {
    let other = match cfg!(windows) {
        true => Wsl::default_distribution().map(Place::Wsl),
        false if std::env::var_os("WSL_DISTRO_NAME").is_some() => windows_own().map(Place::File),
        false => None,
    };
    [Place::File(own)].into_iter().chain(other).collect()
}

/// Lets other programs of this host trust the cluster, `name`, by its authority, or lets them forget it again.
///
/// # Errors
/// Where this user may not change what the host trusts.
pub fn trust(name: &str, authority: &str, trusted: bool) -> Result<bool, PlaceError> {
    let file = match cfg!(windows) {
        true => std::env::temp_dir().join(format!("airlab-{name}.crt")),
        false => PathBuf::from(format!("/usr/local/share/ca-certificates/airlab-{name}.crt")),
    };
    let fail = |source| KubecfgError::File { path: file.clone(), source };
    let changed = match trusted {
        true => machine::write_file(&file, authority.as_bytes(), 0o644).map_err(|e| fail(e.source))?,
        false => file.exists(),
    };
    if cfg!(windows) {
        let subject = kubecfg::life(authority, std::time::SystemTime::now())?.subject;
        let subject = subject.rsplit("CN=").next().unwrap_or_default().to_owned();
        let words = if trusted { ["-addstore", "Root"] } else { ["-delstore", "Root"] };
        let what = if trusted { file.clone().into_os_string() } else { subject.into() };
        Local.run_ok(&Cmd::new("certutil").arg("-user").args(words).arg(what))?;
        return Ok(true);
    }
    if changed {
        if !trusted {
            std::fs::remove_file(&file).map_err(fail)?;
        }
        let fresh = if trusted { None } else { Some("--fresh") };
        Local.run_ok(&Cmd::new("update-ca-certificates").args(fresh))?;
    }
    Ok(changed)
}

/// The kubeconfig of the Windows user around this distribution, as a path in it.
fn windows_own() -> Option<PathBuf> {
    let text = |cmd: Cmd| Some(Local.run_ok(&cmd.timeout(Duration::from_secs(20))).ok()?.text());
    let profile = text(Cmd::new("cmd.exe").args(["/d", "/c", "echo %USERPROFILE%"]))?;
    let home = text(Cmd::new("wslpath").arg("-u").arg(profile.trim()))?;
    Some(PathBuf::from(home)).filter(|home| home.is_dir()).map(|home| home.join(".kube").join("config"))
}

/// On Windows: full rights for this user, and nothing inherited.
fn restrict(file: &std::path::Path) -> Result<(), ExecError> {
    let user = Local.run_ok(&Cmd::new("whoami").args(["/user", "/fo", "csv", "/nh"]))?.text();
    Local.run_ok(&rights(file, &user)).map(drop)
}

/// `whoami` prints `"DOMAIN\name","S-1-5-21-..."`; only the number is the same in every language.
fn rights(file: &std::path::Path, user: &str) -> Cmd {
    let sid = user.trim().rsplit(',').next().unwrap_or_default().trim_matches('"');
    Cmd::new("icacls").arg(file).args(["/inheritance:r", "/grant:r", &format!("*{sid}:F")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_rights_are_for_the_user_by_number() {
        let cmd = rights("C:\\k".as_ref(), "\"DESKTOP\\김, 철수\",\"S-1-5-21-1-2-3-1001\"\r\n");
        assert_eq!(cmd.argv()[2..], ["/inheritance:r", "/grant:r", "*S-1-5-21-1-2-3-1001:F"]);
    }
}
