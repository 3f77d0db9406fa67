//! Clones are machines of their own, stay what they are, and can be made anew.

use std::collections::BTreeMap;
use std::fs;

use super::{golden, starts};
use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure};
use crate::trouble;
use crate::world::World;

/// What makes a node itself, by name; from inside but for the machine's own UUID.
fn identity(world: &World, node: &str) -> Result<BTreeMap<&'static str, String>, Fail> {
    let look = "hostname; cat /etc/machine-id; cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub; ls /etc/ssh/*key | wc -l; \
                cat /sys/class/net/e*/address; cat /var/lib/cloud/data/instance-id; cat /var/lib/airlab/ready; \
                cat /var/lib/airlab/installed";
    let text = world.root_on(node, look)?.text();
    let names = ["name", "machine-id", "host key", "host keys", "MAC", "instance-id", "first boot", "installation"];
    let lines: Vec<&str> = text.lines().collect();
    ensure!(lines.len() == names.len() && lines.iter().all(|l| !l.is_empty()), "{node}: {text}");
    let mut found: BTreeMap<_, _> = names.into_iter().zip(lines.iter().map(|l| (*l).to_owned())).collect();
    let vmx = world.lab_dir().join(format!("nodes/{node}/{node}.vmx"));
    let vmx = vmware::Vmx::parse(&fs::read_to_string(vmx)?)?;
    found.insert("UUID", vmx.get("uuid.bios").unwrap_or_default().to_owned());
    Ok(found)
}

/// What no two machines may share.
const OWN: [&str; 7] = ["name", "machine-id", "host key", "MAC", "instance-id", "first boot", "UUID"];

pub(super) fn different(world: &World, nodes: &[&str]) -> Proof {
    let mut all = Vec::new();
    for node in nodes {
        all.push(identity(world, node)?);
    }
    for what in OWN {
        let mut values: Vec<&String> = all.iter().map(|one| &one[what]).collect();
        values.sort();
        values.dedup();
        ensure!(values.len() == all.len() && !values[0].is_empty(), "{what}: {values:?}");
    }
    ensure!(all.iter().all(|one| one["host keys"] == "1"), "more host keys than ours: {all:?}");
    ensure!(all.iter().all(|one| one["installation"] == all[0]["installation"]), "installed more than once: {all:?}");
    let dir = world.lab_dir().join("nodes");
    // A machine's firmware draws its menu with bytes that are no text.
    let golden = fs::read(dir.join(golden(world)?).join("serial0.log"))?;
    let golden = String::from_utf8_lossy(&golden);
    ensure!(golden.contains("golden-ready") && !golden.contains("Cloud-init"), "the golden machine has booted");
    let ids: Vec<String> = all.iter().map(|one| format!("{} {}", one["name"], one["machine-id"])).collect();
    Ok(format!("{} of {} nodes differ ({}); one installation", OWN.join(", "), all.len(), ids.join(", ")))
}

pub(super) fn rebooted(world: &World, ready: &Ready) -> Proof {
    let node = ready.agents()?[0];
    let boot = || Ok::<_, Fail>(world.root_on(&node.name, "stat -c %Y /proc/1")?.text());
    let (before, was) = (boot()?, identity(world, &node.name)?);
    world.on(&node.name, &["sudo", "systemctl", "--no-block", "reboot"])?;
    world.until("the node's new boot", || {
        ensure!(boot()? != before, "still the old boot");
        Ok(())
    })?;
    let is = world.until("its identity", || identity(world, &node.name))?;
    ensure!(is == was, "{was:?} became {is:?}");
    world.until_node_is(&node.name, "True")?;
    trouble::healthy(world, ready)?;
    Ok(format!(
        "{} booted again without its seed: the same in {}",
        node.name,
        was.keys().copied().collect::<Vec<_>>().join(", ")
    ))
}

pub(super) fn anew(world: &World, ready: &Ready) -> Proof {
    let node = ready.agents()?[1];
    let was = identity(world, &node.name)?;
    let machine = golden(world)?;
    let golden_starts = starts(world, &machine);
    let folder = world.lab_dir().join("nodes").join(&node.name);
    let vmx = folder.join(format!("{}.vmx", node.name)).display().to_string();
    world.ok(world.airlab("vmrun", &["-T", "ws", "stop", &vmx, "hard"]))?;
    world.ok(world.airlab("vmrun", &["-T", "ws", "deleteVM", &vmx]))?;
    let _ = fs::remove_dir_all(&folder);
    let run = world.provision("anew")?;
    run.succeeded()?;
    let again: Ready = run.json()?;
    let foreign = again.changes.iter().find(|c| !c.starts_with(&format!("{}: ", node.name)));
    ensure!(foreign.is_none() && again.changed > 0, "changed too: {foreign:?}");
    ensure!(starts(world, &machine) == golden_starts, "the golden machine was started again");
    let is = identity(world, &node.name)?;
    ensure!(is["machine-id"] != was["machine-id"] && is["UUID"] != was["UUID"], "not a new machine: {is:?}");
    for kept in ["name", "host key", "MAC", "installation"] {
        ensure!(is[kept] == was[kept], "{kept}: {} became {}", was[kept], is[kept]);
    }
    world.until_node_is(&node.name, "True")?;
    trouble::healthy(world, ready)?;
    Ok(format!(
        "{} deleted and cloned again in {:.0} s: {} changes, all its own",
        node.name,
        run.took.as_secs_f32(),
        again.changed
    ))
}
