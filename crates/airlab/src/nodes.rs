//! From machine files to a node that answers SSH with the key we gave it.

use std::path::Path;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use lab::{Create, Node};
use machine::{Cmd, Exec, NODES_AT_ONCE, Ssh, SshError};
use secrecy::ExposeSecret;
use steps::{Wait, wait_for};
use vmware::vmrun::Vmrun;

use crate::run::Run;
use crate::secrets::{Secrets, USER};
use crate::{AirlabError, Failure};

/// Longest time for an unattended installation and the first boot. A full machine without hardware help is slow.
pub(crate) const INSTALL: Duration = Duration::from_secs(45 * 60);

/// A node that answers.
pub(crate) struct Live {
    pub(crate) node: Node,
    pub(crate) ssh: Ssh,
}

/// Does the same on many nodes, a bounded number at a time; answers in their order, the first failure ends it.
pub(crate) async fn each<T>(
    work: impl Iterator<Item = impl Future<Output = Result<T, Failure>>>,
) -> Result<Vec<T>, Failure> {
    stream::iter(work).buffered(NODES_AT_ONCE).try_collect().await
}

/// The seed of a node: who it is, whom it trusts, what runs on its first boot. A clone's holds only who it is.
pub(crate) fn seed(run: &Run<'_>, secrets: &Secrets, node: &Node) -> Result<cloudinit::Seed, Failure> {
    let cidr = run.lab.network.cidr;
    let mut spec = cloudinit::NodeSpec::new(&node.name, node.address);
    spec.prefix = cidr.prefix();
    spec.gateway = cidr.host();
    spec.nameservers = vec![cidr.host().into()];
    spec.user = USER.into();
    spec.authorized_keys = vec![secrets.user_key.public_openssh()];
    if let Some(key) = secrets.host_keys.get(&node.name) {
        spec.host_key_private = key.private_openssh();
        spec.host_key_public = key.public_openssh();
    }
    let shared = shared(run, secrets);
    (spec.trusted_cas, spec.files, spec.units) = (shared.trusted_cas, shared.files, shared.units);
    (spec.locale, spec.keyboard) = (shared.locale, shared.keyboard);
    Ok(match run.lab.vm.create {
        Create::Install => cloudinit::seed(&spec)?,
        Create::Clone => cloudinit::clone_seed(&spec)?,
    })
}

/// What is the same in every node.
pub(crate) fn shared(run: &Run<'_>, secrets: &Secrets) -> cloudinit::GoldenSpec {
    let time = timesync::GuestConfig {
        registry: run.lab.registry_address(),
        limit: timesync::Policy::default().right,
        // from here on the lab's certificates are valid: later, a lab that was made while this host was ahead had nodes
        // that leave the right time again and again
        build: secrets.born - pki::BACK_DATED,
    };
    let file = |f: timesync::GuestFile| cloudinit::NodeFile::new(f.path, f.content, f.mode);
    cloudinit::GoldenSpec {
        trusted_cas: secrets.trusted.clone(),
        files: timesync::guest_files(&time).into_iter().map(file).collect(),
        units: timesync::UNITS.map(str::to_owned).to_vec(),
        ..Default::default()
    }
}

/// Writes a node's seed volume where it is not there yet. An installed node never reads it again.
pub(crate) fn write_seed(run: &Run<'_>, node: &Node, seed: &cloudinit::Seed) -> Result<(), Failure> {
    let path = run.files.cidata(&node.name);
    let cidata = seed_iso::Cidata {
        user_data: seed.user_data.expose_secret().to_owned(),
        meta_data: seed.meta_data.clone(),
        network_config: Some(seed.network_config.clone()),
    };
    if std::fs::read(&path).is_ok_and(|old| old == cidata.render()) {
        return Ok(());
    }
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|source| AirlabError::File {
            path: dir.to_owned(),
            action: "not made",
            source,
        })?;
    }
    machine::write_file(&path, &cidata.render(), 0o600)?;
    run.changed(format!("{}: seed written", node.name));
    Ok(())
}

/// Starts the node's machine where it is off, waits until its first boot is done, and empties its CD drives.
pub(crate) async fn bring_up(
    run: &Run<'_>,
    vmrun: &Vmrun,
    secrets: &Secrets,
    node: &Node,
    seed: &cloudinit::Seed,
) -> Result<Live, Failure> {
    let vmx = run.files.vmx(&node.name);
    if vmrun.ensure_running(&vmx).await? {
        run.changed(format!("{}: started", node.name));
    }
    let ssh = wait_ready(run, vmrun, secrets, node, &vmx).await?;
    let marker = ssh.run_ok(&Cmd::new("cat").arg(cloudinit::READY)).await?.text();
    if marker != seed.content_hash {
        run.note(
            &format!("install/{}", node.name),
            format!("{} was installed from an older seed; it keeps what it has", node.name),
        );
    }
    for drive in vmware::CD_DRIVES {
        if vmrun.disconnect(&vmx, drive).await? {
            run.changed(format!("{}: {drive} emptied", node.name));
        }
    }
    Ok(Live { node: node.clone(), ssh })
}

/// Waits for the ready marker over SSH. The console's last line tells people how far the installation is; a machine
/// that went off, or a foreign host key, ends the wait at once.
pub(crate) async fn wait_ready(
    run: &Run<'_>,
    vmrun: &Vmrun,
    secrets: &Secrets,
    node: &Node,
    vmx: &Path,
) -> Result<Ssh, Failure> {
    let target = secrets.ssh(node);
    let console = run.files.machine_file(&node.name, "serial0.log");
    let wait = Wait::new(format!("first boot of {}", node.name), INSTALL).every(Duration::from_millis(300));
    let ended = wait_for(wait, run.sink, || async {
        match Ssh::connect(&target, Duration::from_secs(20)).await {
            Ok(ssh) => match ssh.run(&Cmd::new("test").args(["-s", cloudinit::READY])).await {
                Ok(out) if out.code == 0 => Ok(Ok(ssh)),
                Ok(_) => Err(format!("first boot under way: {}", last_line(&console))),
                Err(error) => Err(error.to_string()),
            },
            Err(SshError::HostKeyChanged { target, expected, found }) => {
                Ok(Err(Failure::from(SshError::HostKeyChanged { target, expected, found })))
            }
            Err(_) if matches!(vmrun.is_running(vmx).await, Ok(false)) => {
                let (last, log) = (last_line(&console), console.clone());
                Ok(Err(AirlabError::NodeOff { node: node.name.clone(), last, log }.into()))
            }
            Err(_) => Err(last_line(&console)),
        }
    });
    ended.await?
}

/// The last thing a console said, without control characters; at most 120 of them.
pub(crate) fn last_line(console: &Path) -> String {
    let bytes = std::fs::read(console).unwrap_or_default();
    let tail = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(4096)..]).into_owned();
    let line = tail.lines().rev().map(plain).find(|l| !l.is_empty());
    line.unwrap_or_else(|| "console silent so far".into())
}

/// Text without terminal escapes.
fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else if !c.is_control() {
            out.push(c);
        }
    }
    out.trim().chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_line_loses_its_colours_and_control_characters() {
        assert_eq!(plain("\u{1b}[0;32m[  OK  ]\u{1b}[0m Started \u{1b}[0;1;39mssh\r"), "[  OK  ] Started ssh");
    }
}
