//! Existing hosts as nodes: looked at, given what every node has, and left as they were.

use std::net::SocketAddr;
use std::time::Duration;

use k3s_bootstrap::Unit;
use lab::{Node, Role};
use machine::{Cmd, Exec, RemoteFile, Ssh, SshError};
use sha2::{Digest, Sha256};

use crate::nodes::{self, Live};
use crate::run::Run;
use crate::secrets::Secrets;
use crate::{AirlabError, Context, Facts, Failure};

const LOOK: &str = include_str!("../../../guest/host-look");
const SETTLE: &str = include_str!("../../../guest/host-settle");
const LEAVE: &str = include_str!("../../../guest/host-leave");
/// Longest time until it lets us in.
const LOGIN: Duration = Duration::from_secs(20);
/// What k3s and its images take at the least, in KiB.
const FREE: u64 = 2 << 20;

/// Checks a host, and brings the lab's authority and the keeping of time to it, as a seed does on a machine of ours.
pub(crate) async fn ensure(run: &Run<'_>, secrets: &Secrets, node: &Node) -> Result<Live, Failure> {
    let ssh = connect(secrets, node).await?;
    let unfit = |why: String| AirlabError::HostUnfit { node: node.name.clone(), target: ssh.target(), why };
    let seen = ssh.run(&script(LOOK, &[])).await?;
    let why = if seen.code == 0 {
        findings(&seen.text(), &mark(secrets))
    } else {
        vec![format!("sudo -n: {}", seen.error_text())]
    };
    if !why.is_empty() {
        return Err(unfit(why.join("; ")).into());
    }
    let shared = nodes::shared(run, secrets);
    for path in ssh.upload(&files(&shared), true).await? {
        run.changed(format!("{}: {path}", node.name));
    }
    let units: Vec<&str> = shared.units.iter().map(String::as_str).collect();
    for change in ssh.run_ok(&script(SETTLE, &units)).await?.text().lines() {
        run.changed(format!("{}: {change}", node.name));
    }
    let url = format!("https://{}/v2/", run.lab.registry_address());
    let ask = ["--silent", "--show-error", "--output", "/dev/null", "--noproxy", "*", "--connect-timeout", "10", &url];
    let answer = ssh.run(&Cmd::new("curl").args(ask).timeout(Duration::from_secs(60))).await?;
    if answer.code != 0 {
        return Err(unfit(format!("it does not reach the registry: {}", answer.error_text())).into());
    }
    Ok(Live { node: node.clone(), ssh })
}

/// A login with the pinned host key.
pub(crate) async fn connect(secrets: &Secrets, node: &Node) -> Result<Ssh, Failure> {
    Ok(Ssh::connect(&secrets.ssh(node), LOGIN).await?)
}

/// Whether a host is a node of this lab, as far as it got. On any other there is nothing of ours to take off, to stop or to
/// start, whatever a lab file says.
pub(crate) async fn is_ours(secrets: &Secrets, ssh: &Ssh) -> Result<bool, Failure> {
    Ok(authority(&ssh.run_ok(&script(LOOK, &[])).await?.text()) == Some(&*mark(secrets)))
}

/// Takes k3s and everything else of ours off a host that is ours. Safe to repeat.
pub(crate) async fn leave(run: &Run<'_>, secrets: &Secrets, node: &Node, ssh: &Ssh) -> Result<(), Failure> {
    if !is_ours(secrets, ssh).await? {
        run.note("hosts", format!("{}: nothing of this lab is on it; left as it is", node.name));
        return Ok(());
    }
    k3s_bootstrap::uninstall(ssh).await?;
    ssh.run_ok(&script(LEAVE, &timesync::UNITS)).await?;
    run.changed(format!("{}: k3s and all else of ours taken off", node.name));
    Ok(())
}

/// Stops k3s on a host, which itself stays on. One that does not answer is told, and goes on as it is.
pub(crate) async fn switch_off(run: &Run<'_>, secrets: &Secrets, facts: &Facts, node: &Node) -> Result<(), Failure> {
    match from_outside(secrets, Some(facts), node).await {
        Ok(ssh) if is_ours(secrets, &ssh).await? => {
            let stopped = k3s_bootstrap::switch_off(&ssh).await?;
            run.changed_if(stopped, format!("{}: k3s stopped; the host itself stays on", node.name));
        }
        Ok(_) => run.note("hosts", format!("{}: nothing of this lab is on it; left as it is", node.name)),
        Err(error) => run.note("hosts", format!("{}: left as it is, for it does not let us in: {error}", node.name)),
    }
    Ok(())
}

/// Starts k3s again on a node that is a host.
pub(crate) async fn switch_on(run: &Run<'_>, secrets: &Secrets, live: &Live) -> Result<(), Failure> {
    let (node, ssh) = (&live.node, &live.ssh);
    if node.host.is_none() {
        return Ok(());
    }
    if !is_ours(secrets, ssh).await? {
        let why = "nothing of this lab is on it yet: airlab provision".to_owned();
        return Err(AirlabError::HostUnfit { node: node.name.clone(), target: ssh.target(), why }.into());
    }
    let unit = if node.role == Role::Server { Unit::Server } else { Unit::Agent };
    run.changed_if(k3s_bootstrap::switch_on(ssh, unit).await?, format!("{}: k3s started", node.name));
    Ok(())
}

/// A login from outside the lab's network, with the pinned host key.
async fn from_outside(secrets: &Secrets, facts: Option<&Facts>, node: &Node) -> Result<Ssh, SshError> {
    let mut target = secrets.ssh(node);
    let reached = facts.map(|facts| facts.reached_at(&target.addr.to_string()));
    if let Some(addr) = reached.and_then(|at| at.parse::<SocketAddr>().ok()) {
        target.addr = addr;
    }
    Ssh::connect(&target, LOGIN).await
}

/// How a host of this lab is known: by the digest of the lab's authority.
fn mark(secrets: &Secrets) -> String {
    hex::encode(Sha256::digest(secrets.authority.cert_pem()))
}

/// The mark that a host bears.
fn authority(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("authority="))
}

/// Leaves every host of a lab, from outside its network. One that does not answer is told, and keeps what it has.
pub(crate) async fn leave_all(context: &Context, run: &Run<'_>, facts: Option<&Facts>) -> Result<(), Failure> {
    let lab = &context.lab;
    if lab.hosts().next().is_none() || !context.files.pki().exists() {
        return Ok(());
    }
    let secrets = Secrets::load(lab, &context.files)?;
    for node in lab.hosts() {
        match from_outside(&secrets, facts, node).await {
            Ok(ssh) => leave(run, &secrets, node, &ssh).await?,
            Err(error) => {
                run.note("hosts", format!("{}: left as it is, for it does not let us in: {error}", node.name))
            }
        }
    }
    Ok(())
}

fn script(text: &str, args: &[&str]) -> Cmd {
    Cmd::new("sh").args(["-c", text, "sh"]).args(args.iter().copied()).as_root().timeout(Duration::from_secs(180))
}

fn files(shared: &cloudinit::GoldenSpec) -> Vec<RemoteFile> {
    let authority = |(n, pem): (usize, &String)| RemoteFile {
        path: format!("/usr/local/share/ca-certificates/airlab-{n}.crt"),
        bytes: pem.clone().into_bytes(),
        mode: 0o644,
    };
    let file = |f: &cloudinit::NodeFile| RemoteFile {
        path: f.path.clone(),
        bytes: f.content.clone().into_bytes(),
        mode: f.mode,
    };
    shared.trusted_cas.iter().enumerate().map(authority).chain(shared.files.iter().map(file)).collect()
}

/// What speaks against a host as a node of the lab with this mark, from what its look printed.
fn findings(text: &str, mark: &str) -> Vec<String> {
    let value = |key: &str| text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default().to_owned();
    let all = |key: &'static str| text.lines().filter_map(move |l| l.strip_prefix(key));
    let mut found = Vec::new();
    if value("init=") != "systemd" {
        found.push(format!("its first process is {}, not systemd", value("init=")));
    }
    if value("arch=") != "x86_64" {
        found.push(format!("its processor is {}, the lab's files are for x86_64", value("arch=")));
    }
    let free = value("free=").parse().unwrap_or(0);
    if free < FREE {
        found.push(format!("{} MiB are free in /var/lib, {} MiB are needed", free >> 10, FREE >> 10));
    }
    if value("route=").is_empty() {
        found.push("it has no default route".into());
    }
    found.extend(all("lacks=").map(|program| format!("it has no {program}")));
    found.extend(all("foreign=").map(|path| format!("{path} is there already and not from airlab")));
    if authority(text).is_some_and(|other| other != mark) {
        found.push("it is a node of another airlab lab".into());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_speaks_against_a_host_is_said_at_once() {
        let good = "init=systemd\narch=x86_64\nfree=9999999\nroute=default via 10.0.0.1 dev eth0\n";
        assert_eq!(findings(good, "a1"), [""; 0]);
        assert_eq!(findings(&format!("{good}authority=a1\n"), "a1"), [""; 0]);
        let bad = "init=sh\narch=aarch64\nfree=1024\nroute=\nlacks=curl\nlacks=flock\nforeign=/etc/rancher\n\
                   authority=b2\n";
        assert_eq!(
            findings(bad, "a1"),
            [
                "its first process is sh, not systemd",
                "its processor is aarch64, the lab's files are for x86_64",
                "1 MiB are free in /var/lib, 2048 MiB are needed",
                "it has no default route",
                "it has no curl",
                "it has no flock",
                "/etc/rancher is there already and not from airlab",
                "it is a node of another airlab lab",
            ]
        );
        assert_eq!(findings("", "a1").len(), 4, "a host that says nothing is not fit");
    }
}
