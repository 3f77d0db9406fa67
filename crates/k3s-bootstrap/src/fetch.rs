//! What a node fetches itself, by digest, from the lab's registry.

use std::time::Duration;

use machine::{Cmd, Exec};
use secrecy::ExposeSecret;

use crate::files::{FETCH, IMAGES, fetch_script};
use crate::{Artifact, K3sError, Login, Node};

/// Lets a node fetch those of these files that it lacks, over TLS with its own trust store; says which it did. A file that
/// is there and is right is not asked for. `name` is the node's, for messages; `within` is for all of them together.
///
/// # Errors
/// [`K3sError::Fetch`] with the last thing that the node said; [`K3sError::Exec`].
pub async fn fetch(
    exec: &dyn Exec,
    name: &str,
    login: Option<&Login>,
    files: &[Artifact],
    within: Duration,
) -> Result<Vec<String>, K3sError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    exec.upload(&[fetch_script()], true).await?;
    fetched(exec, name, Cmd::new(FETCH), login, files, within).await
}

/// The same for k3s's own, whose script is there. Importing images, k3s remembers what it has seen in `.cache.json`.
pub(crate) async fn fetch_all(exec: &dyn Exec, node: &Node) -> Result<Vec<String>, K3sError> {
    const CACHE: &str = "mkdir -p \"$1\" && { [ -e \"$1/.cache.json\" ] || : > \"$1/.cache.json\"; } && exec \"$2\"";
    let cmd = Cmd::new("sh").args(["-c", CACHE, "sh", IMAGES, FETCH]);
    fetched(exec, &node.name, cmd, node.login.as_ref(), &node.artifacts, node.deadline).await
}

async fn fetched(
    exec: &dyn Exec,
    name: &str,
    cmd: Cmd,
    login: Option<&Login>,
    files: &[Artifact],
    within: Duration,
) -> Result<Vec<String>, K3sError> {
    let mut list = login.map(login_line).unwrap_or_default();
    for a in files {
        list.push_str(&format!("{} {:04o} {} {}\n", a.sha256, a.mode, a.url, a.path));
    }
    let out = exec.run(&cmd.as_root().stdin(list).timeout(within)).await?;
    if out.code != 0 {
        let last = out.error_text().lines().last().unwrap_or("no output").to_owned();
        return Err(K3sError::Fetch { node: name.to_owned(), last });
    }
    Ok(out.text().lines().filter_map(|line| line.strip_prefix("fetched ")).map(str::to_owned).collect())
}

/// The login as `airlab-fetch` reads it: a line of curl's configuration, which reaches curl by its standard input too.
fn login_line(login: &Login) -> String {
    let pair = format!("{}:{}", login.user, login.password.expose_secret());
    let mut quoted = String::new();
    for c in pair.chars() {
        match c {
            '\\' | '"' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    format!("login - - user = \"{quoted}\"\n")
}
