//! Existing hosts as nodes: looked at, given what every node has, and left as they were.

use std::net::SocketAddr;
use std::time::Duration;

use lab::Node;
use machine::{Cmd, Exec, RemoteFile, Ssh};

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
    let why = if seen.code == 0 { findings(&seen.text()) } else { vec![format!("sudo -n: {}", seen.error_text())] };
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

/// Takes k3s and everything else of ours off a host. Safe to repeat.
pub(crate) async fn leave(ssh: &Ssh) -> Result<(), Failure> {
    k3s_bootstrap::uninstall(ssh).await?;
    ssh.run_ok(&script(LEAVE, &timesync::UNITS)).await?;
    Ok(())
}

/// Leaves every host of a lab, from outside its network. One that does not answer is told, and keeps what it has.
pub(crate) async fn leave_all(context: &Context, run: &Run<'_>, facts: Option<&Facts>) -> Result<(), Failure> {
    let lab = &context.lab;
    if lab.hosts().next().is_none() || !context.files.pki().exists() {
        return Ok(());
    }
    let secrets = Secrets::load(lab, &context.files)?;
    for node in lab.hosts() {
        let mut target = secrets.ssh(node);
        let reached = facts.map(|facts| facts.reached_at(&target.addr.to_string()));
        if let Some(addr) = reached.and_then(|at| at.parse::<SocketAddr>().ok()) {
            target.addr = addr;
        }
        match Ssh::connect(&target, LOGIN).await {
            Ok(ssh) => {
                leave(&ssh).await?;
                run.changed(format!("{}: k3s and all else of ours taken off", node.name));
            }
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

/// What speaks against a host, from what its look printed.
fn findings(text: &str) -> Vec<String> {
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
    found.extend(all("foreign=").map(|unit| format!("{unit} is there already and not from airlab")));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_speaks_against_a_host_is_said_at_once() {
        let good = "init=systemd\narch=x86_64\nfree=9999999\nroute=default via 10.0.0.1 dev eth0\n";
        assert_eq!(findings(good), [""; 0]);
        let bad = "init=sh\narch=aarch64\nfree=1024\nroute=\nlacks=curl\nlacks=flock\nforeign=k3s.service\n";
        assert_eq!(
            findings(bad),
            [
                "its first process is sh, not systemd",
                "its processor is aarch64, the lab's files are for x86_64",
                "1 MiB are free in /var/lib, 2048 MiB are needed",
                "it has no default route",
                "it has no curl",
                "it has no flock",
                "k3s.service is there already and not from airlab",
            ]
        );
        assert_eq!(findings("").len(), 4, "a host that says nothing is not fit");
    }
}
