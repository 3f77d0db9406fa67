//! The kubeconfig in a distribution of WSL, read and written through `wsl.exe`.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubecfg::{KubecfgError, Saved};
use machine::{Cmd, Local};

use super::place::PlaceError;

/// `~/.kube/config` of the distribution's default user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wsl {
    distribution: String,
}

impl std::fmt::Display for Wsl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WSL {}: ~/.kube/config", self.distribution)
    }
}

/// A distribution may have to start first, and `wsl.exe` can wait for ever.
const LONG: Duration = Duration::from_secs(60);
/// Distributions that belong to programs and hold nobody's home.
const PROGRAMS: [&str; 2] = ["docker-desktop", "rancher-desktop"];

// Scripts and contents go to a shell on standard input: what becomes of quotes on the way through wsl.exe's command
// line is nobody's promise.
const READ: &str = "f=$HOME/.kube/config\n[ ! -e \"$f\" ] || cat \"$f\"\n";
const FIND: &str = "set -e
umask 077
f=$HOME/.kube/config
[ ! -L \"$f\" ] || f=$(readlink -f \"$f\")
mkdir -p \"$(dirname \"$f\")\"
if [ -e \"$f\" ]; then
  case $(stat -c %A \"$f\") in *w*) ;; *) exit 30 ;; esac
  cat \"$f\" > \"$f.airlab-backup\"
  echo \"$f.airlab-backup\"
fi
";

impl Wsl {
    /// That of the distribution of this name.
    pub fn new(distribution: &str) -> Self {
        Self { distribution: distribution.to_owned() }
    }

    /// That of the default distribution; `None` where there is no WSL, or nothing in it.
    pub fn default_distribution() -> Option<Self> {
        let list = Cmd::new("wsl.exe").args(["--list", "--quiet"]).env("WSL_UTF8", "1").timeout(LONG);
        let out = Local.run_ok(&list).ok()?;
        first_home(&out.stdout).map(|name| Self::new(&name))
    }

    fn shell(&self, script: String) -> Cmd {
        let words = ["--distribution", &self.distribution, "--exec", "sh", "-s"];
        Cmd::new("wsl.exe").args(words).env("WSL_UTF8", "1").stdin(script).timeout(LONG)
    }

    pub(crate) fn read(&self) -> Result<String, PlaceError> {
        Ok(kubecfg::text(Local.run_ok(&self.shell(READ.to_owned()))?.stdout)?)
    }

    pub(crate) fn save(&self, text: &str) -> Result<Saved, PlaceError> {
        if self.read()? == text {
            return Ok(Saved { changed: false, backup: None });
        }
        let out = Local.run(&self.shell(format!("{FIND}{}", written(text))))?;
        match out.code {
            0 => {
                let backup = Some(out.text()).filter(|path| !path.is_empty()).map(PathBuf::from);
                Ok(Saved { changed: true, backup })
            }
            30 => Err(KubecfgError::ReadOnly { path: self.to_string().into() }.into()),
            _ => {
                let source = std::io::Error::other(out.error_text());
                Err(KubecfgError::File { path: self.to_string().into(), source }.into())
            }
        }
    }
}

/// The end of the script: the whole text, or no file.
fn written(text: &str) -> String {
    match text {
        "" => "rm -f \"$f\"\n".to_owned(),
        _ => format!(
            "base64 -d > \"$f.airlab-new\" <<'END'\n{}\nEND\nmv -f \"$f.airlab-new\" \"$f\"\n",
            STANDARD.encode(text)
        ),
    }
}

/// The default distribution comes first. Old versions of wsl.exe write UTF-16 whatever they are asked for.
fn first_home(list: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(list).chars().filter(|c| *c != '\0' && *c != '\u{feff}').collect();
    let names = text.lines().map(|name| name.trim_matches(|c: char| c.is_whitespace() || c == '\u{fffd}'));
    names.filter(|name| !name.is_empty()).find(|name| !PROGRAMS.iter().any(|p| name.starts_with(p))).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_distribution_with_a_home_is_taken_in_either_encoding() {
        let list = "docker-desktop\r\nUbuntu-24.04\r\nDebian\r\n";
        let wide: Vec<u8> = format!("\u{feff}{list}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(first_home(list.as_bytes()).unwrap(), "Ubuntu-24.04");
        assert_eq!(first_home(&wide).unwrap(), "Ubuntu-24.04");
        assert_eq!(first_home(b"\r\n"), None);
    }
}
