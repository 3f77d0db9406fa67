//! Running commands on some machine, this one or another.

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use crate::local::failed;
use crate::{Cmd, ExecError, Local, Output};

/// A file that shall be on a machine.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Absolute path there.
    pub path: String,
    /// What it holds. `Debug` shows only the length.
    pub bytes: Vec<u8>,
    /// Unix permission bits.
    pub mode: u32,
}

impl std::fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RemoteFile({} {:04o} {} bytes)", self.path, self.mode, self.bytes.len())
    }
}

/// Where commands run.
#[async_trait]
pub trait Exec: Send + Sync {
    /// Runs the command to its end and gives back whatever exit code it had.
    async fn run(&self, cmd: &Cmd) -> Result<Output, ExecError>;

    /// `this host`, or `user@address`.
    fn target(&self) -> String;

    /// Runs the command; any exit code but 0 is [`ExecError::Failed`].
    async fn run_ok(&self, cmd: &Cmd) -> Result<Output, ExecError> {
        let out = self.run(cmd).await?;
        if out.code == 0 { Ok(out) } else { Err(failed(cmd, &self.target(), &out)) }
    }

    /// Makes these files hold these bytes with these modes and says which were changed, in two round trips at the
    /// most and in one when nothing changes. Each file appears whole or not at all; contents travel on standard input.
    async fn upload(&self, files: &[RemoteFile], root: bool) -> Result<Vec<String>, ExecError> {
        let sudo = |cmd: Cmd| if root { cmd.as_root() } else { cmd };
        let list: String = files.iter().map(|f| format!("{}\n", f.path)).collect();
        let look = self.run_ok(&sudo(Cmd::new("sh").args(["-c", LOOK]).stdin(list))).await?.text();
        let seen: Vec<&str> = look.lines().collect();
        let stale = |f: &&RemoteFile| !seen.contains(&format!("{} {:o} {}", sha256(&f.bytes), f.mode, f.path).as_str());
        let stale: Vec<&RemoteFile> = files.iter().filter(stale).collect();
        if stale.is_empty() {
            return Ok(Vec::new());
        }
        let mut input = Vec::new();
        for f in &stale {
            let head = format!("{} {:o} {} {}\n", f.bytes.len(), f.mode, sha256(&f.bytes), f.path);
            input.extend_from_slice(head.as_bytes());
            input.extend_from_slice(&f.bytes);
        }
        self.run_ok(&sudo(Cmd::new("sh").args(["-c", PUT]).stdin(input))).await?;
        Ok(stale.into_iter().map(|f| f.path.clone()).collect())
    }
}

/// Reads paths, prints `SHA256 MODE PATH` for those that exist.
const LOOK: &str = r#"while IFS= read -r path; do
  if [ -f "$path" ] && sum=$(sha256sum < "$path"); then
    printf '%s %s %s\n' "${sum%% *}" "$(stat -c %a "$path")" "$path"
  fi
done"#;

/// Reads `LENGTH MODE SHA256 PATH` lines, each followed by that many bytes. A shell's `read` takes no byte beyond its
/// line, so the bytes after it are the next reader's; a file that arrives cut short never gets its name.
const PUT: &str = r#"set -e
umask 077
while IFS=' ' read -r length mode sum path; do
  (umask 022; mkdir -p "$(dirname "$path")")
  new="$path.airlab-new"
  rm -f "$new"
  head -c "$length" > "$new"
  got=$(sha256sum < "$new")
  [ "${got%% *}" = "$sum" ] || { echo "$path: arrived damaged" >&2; rm -f "$new"; exit 1; }
  chmod "$mode" "$new"
  mv -f "$new" "$path"
done"#;

/// The SHA-256 of some bytes, as 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[async_trait]
impl Exec for Local {
    async fn run(&self, cmd: &Cmd) -> Result<Output, ExecError> {
        let (copy, program) = (cmd.clone(), cmd.program());
        let ended = tokio::task::spawn_blocking(move || Local.run(&copy)).await;
        ended.unwrap_or_else(|_| Err(ExecError::Lost { program, target: Exec::target(self) }))
    }

    fn target(&self) -> String {
        "this host".into()
    }
}
