//! The peer: the commands of a join, written down on the way, sent again by OpenSSH over connections it keeps.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use machine::{Cmd, Local};
use steps::chain;

use super::servers::{Network, address, name};

/// A script for every node: one `ssh` a command. The first becomes the connection that the others go through.
pub(super) fn scripts(network: &Network, record: &Path, nodes: usize) -> Result<usize, String> {
    let dir = network.dir.display();
    let mut most = 0;
    for node in 1..=nodes {
        let commands = commands(&record.join(name(node)))?;
        most = most.max(commands.len());
        let mut script = String::from("set -e\n");
        for file in &commands {
            let line = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
            let _ = writeln!(
                script,
                "ssh -F none -i {dir}/key -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR \
                 -o UserKnownHostsFile={dir}/known_hosts -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes \
                 -o ControlMaster=auto -o ControlPath={dir}/{name}/mux -o ControlPersist=yes -p {port} root@{at} {line} \
                 < {input} > {dir}/{name}/said",
                name = name(node),
                port = network.port,
                at = address(node),
                line = quoted(&line),
                input = file.with_extension("input").display(),
            );
        }
        let path = network.dir.join(name(node)).join("replay.sh");
        std::fs::write(&path, script).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(most)
}

fn commands(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "command"));
    files.sort();
    Ok(files)
}

/// One word for a shell.
fn quoted(line: &str) -> String {
    format!("'{}'", line.replace('\'', "'\\''"))
}

/// Runs every node's script, so many at a time, and gives back the seconds it took.
pub(super) fn run(network: &Network, nodes: usize, at_once: usize) -> Result<f64, String> {
    let scripts: Vec<PathBuf> = (1..=nodes).map(|n| network.dir.join(name(n)).join("replay.sh")).collect();
    let list: String = scripts.iter().map(|path| format!("{}\n", path.display())).collect();
    let cmd = Cmd::new("xargs").args(["-P", &at_once.to_string(), "-n", "1", "sh"]).stdin(list);
    let begun = Instant::now();
    let ended = Local.run_ok(&cmd.timeout(Duration::from_secs(600)));
    let seconds = begun.elapsed().as_secs_f64();
    ended.map_err(|e| chain(&e))?;
    for node in 1..=nodes {
        let said = std::fs::read_to_string(network.dir.join(name(node)).join("said")).unwrap_or_default();
        if !said.contains("ActiveState=active") {
            return Err(format!("{}: not joined by OpenSSH: {said}", name(node)));
        }
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_word_for_a_shell() {
        let line = "sudo -n -- sh -c 'echo \"$1\"' sh 'a b'";
        let out = Local.run_ok(&Cmd::new("sh").args(["-c", &format!("printf %s {}", quoted(line))])).unwrap();
        assert_eq!(out.text(), line);
    }
}
