//! Three servers: they joined in order, one dies, the API goes on; it and the drained worker come back with new disks.

use std::time::Duration;

use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::Report;

use super::suite::{Trio, condition, whole};

/// The second server, which lives.
const ALIVE: &str = "10.78.0.12";

pub(crate) fn checks(report: &mut Report, trio: &Trio) {
    let (minutes, world) = (Duration::from_secs(600), &trio.world);
    report.check("cluster/a-server-dies-and-the-api-answers", minutes, world, || dies(trio));
    report.check("cluster/wiped-server-and-worker-rejoin", minutes, world, || come_back(trio));
}

/// A server is told to start when the one before it answers.
pub(crate) fn in_order(trio: &Trio) -> Proof {
    let order = trio.steps("server/")?;
    let wanted: Vec<String> = ["one", "two", "three"]
        .iter()
        .flat_map(|n| [format!("started server/{n}"), format!("finished server/{n}")])
        .collect();
    ensure!(order == wanted, "{order:?}");
    let roles = trio.world.kubectl(&["get", "nodes", "-l", "node-role.kubernetes.io/etcd=true", "-o", "name"])?;
    ensure!(roles.lines().count() == 3, "members of the datastore: {roles}");
    Ok(order.join(", "))
}

fn vmrun(trio: &Trio, words: &[&str]) -> Result<(), Fail> {
    let vmx = trio.world.lab_dir().join("nodes/one/one.vmx").display().to_string();
    let cmd = trio.airlab(&["vmrun", "-T", "ws"]).arg(words[0]).arg(vmx).args(&words[1..]);
    trio.world.ok(cmd).map(drop)
}

/// kubectl through this server: the first one, which the kubeconfig names, may be dead.
fn through(trio: &Trio, address: &str, words: &[&str]) -> Proof {
    let server = format!("https://{address}:6443");
    let kubeconfig = trio.world.lab_dir().join("kubeconfig").display().to_string();
    let own = ["run", "--", "kubectl", "--kubeconfig", &kubeconfig, "--server", &server, "--request-timeout=20s"];
    Ok(trio.world.ok(trio.airlab(&own).args(words.iter().copied()))?.text())
}

/// The first server is the hardest to lose: it began the cluster, and the kubeconfig names it.
fn dies(trio: &Trio) -> Proof {
    vmrun(trio, &["stop", "hard"])?;
    let told = trio.world.until("status to name the dead server", || {
        let answer = trio.status_of(&["--quick"])?;
        let (shown, detail) = condition(&answer, "api")?;
        ensure!(
            shown == "no" && detail.contains("10.78.0.11") && !detail.contains("10.78.0.12"),
            "api {shown}: {detail}"
        );
        let (shown, nodes) = condition(&answer, "nodes")?;
        ensure!(shown == "no" && nodes.contains("one: "), "nodes {shown}: {nodes}");
        Ok(format!("{detail}; {nodes}"))
    })?;
    for address in [ALIVE, "10.78.0.13"] {
        let said = trio.world.until("an answer", || through(trio, address, &["get", "--raw", "/readyz"]))?;
        ensure!(said.trim() == "ok", "{address} says {said}");
    }
    let out = trio.world.run(trio.airlab(&["node", "remove", "two", "three"]))?;
    let said = out.error_text();
    ensure!(out.code == 70 && said.contains("AL-K3S-008"), "two more of them: {}: {said}", out.code);
    Ok(format!("{told}; that two more leave is refused"))
}

/// As the datastore names it: a server that joins anew has another name there.
fn member(trio: &Trio, node: &str) -> Result<String, Fail> {
    let path = "jsonpath={.metadata.annotations.etcd\\.k3s\\.cattle\\.io/node-name}";
    let name = through(trio, ALIVE, &["get", "node", node, "-o", path])?;
    if name.is_empty() { fail!("{node} has no name as a member") } else { Ok(name) }
}

/// The datastore's members as a server knows them.
fn members(trio: &Trio) -> Proof {
    let line = "sed 's/^.*::server:\\(.*\\)$/user = \"server:\\1\"/' /var/lib/rancher/k3s/server/token | \\
                curl -fsSk -K - https://127.0.0.1:6443/db/info";
    Ok(trio.world.root_on("two", line)?.text())
}

/// The node password that the cluster keeps for a node, as an object of its own.
fn password(trio: &Trio, node: &str) -> Proof {
    let name = format!("{node}.node-password.k3s");
    through(trio, ALIVE, &["-n", "kube-system", "get", "secret", &name, "-o", "jsonpath={.metadata.uid}"])
}

/// With new disks they have neither data nor certificates: only their names and the lab's keys are the same.
fn come_back(trio: &Trio) -> Proof {
    let mark = "/var/lib/rancher/k3s/e2e-mark";
    trio.world.root_on("worker", &format!("touch {mark}"))?;
    let (was, known) = (member(trio, "one")?, [password(trio, "one")?, password(trio, "worker")?]);
    ensure!(members(trio)?.contains(&was), "{was} is no member of {}", members(trio)?);
    let answer = trio.json(trio.making(&["node", "rebuild", "one", "worker"]), "rebuild")?;
    let told = whole(&answer)?;
    for node in ["one", "worker"] {
        let there = trio.world.root_on(node, &format!("[ -e {mark} ] && echo old || echo new"))?.text();
        ensure!(there.trim() == "new", "the disk of {node} is the old one");
    }
    let (is, now) = (member(trio, "one")?, members(trio)?);
    let others = [member(trio, "two")?, member(trio, "three")?];
    ensure!(is != was && now.contains(&is) && !now.contains(&was), "{was}, now {is}; members {now}");
    ensure!(others.iter().all(|name| now.contains(name)), "{others:?} are not all among {now}");
    let anew = [password(trio, "one")?, password(trio, "worker")?];
    ensure!(anew.iter().all(|secret| !known.contains(secret)), "the cluster has the node passwords of the old disks");
    Ok(format!("{was} is out of the datastore, {is} in it; node passwords were taken anew; {told}"))
}
