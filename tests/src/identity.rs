//! A node that is not the one we made stops everything; a restarted one is the same and is not installed again.

use std::time::Duration;

use crate::inside::{ANY_HOST_KEY, ssh};
use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure};
use crate::report::Report;
use crate::trouble;
use crate::world::World;

pub(crate) fn checks(report: &mut Report, world: &World, ready: &Ready) {
    report.check("identity/a-changed-host-key-stops-everything", Duration::from_secs(120), world, || {
        changed_key(world, ready)
    });
    report.check("identity/a-reboot-is-no-new-installation", Duration::from_secs(240), world, || reboot(world, ready));
}

fn changed_key(world: &World, ready: &Ready) -> Proof {
    let node = ready.agents()?[1];
    let target = format!("airlab@{}", node.address);
    let key = "/etc/ssh/ssh_host_ed25519_key";
    let swap = format!("mv {key} {key}.kept && ssh-keygen -q -t ed25519 -N '' -f {key} && systemctl restart ssh");
    world.root_on(&node.name, &format!("mv {key}.pub {key}.pub.kept; {swap}"))?;
    let stopped = stops(world, &node.name);
    let back = format!("sudo sh -c 'mv -f {key}.kept {key}; mv -f {key}.pub.kept {key}.pub; systemctl restart ssh'");
    world.ok(ssh(world, ANY_HOST_KEY, &target, &back))?;
    let text = stopped?;
    world.until("the old key", || world.on(&node.name, &["true"]))?;
    trouble::healthy(world, ready)?;
    Ok(text)
}

fn stops(world: &World, node: &str) -> Proof {
    let run = world.provision("changed-host-key")?;
    let error: serde_json::Value = run.json()?;
    ensure!(run.code != 0, "provision went on");
    let id = error["id"].as_str().unwrap_or("").to_owned();
    ensure!(id.starts_with("AL-SSH"), "{error}");
    ensure!(error["exit"] == run.code, "exit code {}: {error}", run.code);
    let login = world.run(world.airlab("ssh", &[node, "--", "true"]))?;
    ensure!(login.code != 0, "airlab ssh still logs in");
    Ok(format!("provision: {id}, exit {}; airlab ssh refuses too", run.code))
}

fn reboot(world: &World, ready: &Ready) -> Proof {
    let node = ready.agents()?[0];
    let facts = || -> Result<(String, String), Fail> {
        let look = "stat -c %Y /proc/1; stat -c '%Y %Z' /var/lib/airlab/installed; cat /var/lib/airlab/ready";
        let text = world.root_on(&node.name, look)?.text();
        let (boot, installed) = text.split_once('\n').unwrap_or((&text, ""));
        Ok((boot.to_owned(), installed.to_owned()))
    };
    let (boot, installed) = facts()?;
    world.on(&node.name, &["sudo", "systemctl", "--no-block", "reboot"])?;
    let after = world.until("the node's new boot", || {
        let now = facts()?;
        ensure!(now.0 != boot, "still the old boot");
        Ok(now)
    })?;
    ensure!(after.1 == installed, "installed again: {installed} became {}", after.1);
    world.until("its kubelet", || {
        let active = world.on(&node.name, &["systemctl", "is-active", "k3s-agent"])?.text();
        ensure!(active == "active", "k3s-agent is {active}");
        Ok(())
    })?;
    world.until_node_is(&node.name, "True")?;
    trouble::healthy(world, ready)?;
    let console = std::fs::read(world.lab_dir().join("nodes").join(&node.name).join("serial0.log"))?;
    let console = String::from_utf8_lossy(&console).into_owned();
    let installs = console.lines().filter(|l| l.split_whitespace().any(|w| w == "autoinstall")).count();
    Ok(format!("{} booted again, marker unchanged, Ready; {installs} console lines name autoinstall", node.name))
}
