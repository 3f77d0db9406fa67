//! When certificates end, and new ones in their place.

use std::time::Duration;

use serde_json::Value;

use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::Report;

use super::suite::{Trio, whole};

const SERVING: &str = "serving-kube-apiserver.crt";

pub(crate) fn checks(report: &mut Report, trio: &Trio) {
    let minutes = Duration::from_secs(300);
    report.check("cluster/certificates-end-and-are-made-anew", minutes, &trio.world, || rotate(trio));
}

/// The tool's list of a node's certificates.
fn certificates(trio: &Trio, node: &str, address: &str, more: &[&str]) -> Result<Vec<Value>, Fail> {
    let (world, ssh) = (&trio.world, trio.world.lab_dir().join("ssh"));
    let cmd = trio.airlab(&["run", "--"]).arg(world.program("k3s-bootstrap")).args(["certs", "--output", "json"]);
    let cmd = cmd.args(["--ssh", &format!("{address}:22"), "--key"]).arg(ssh.join("id_ed25519")).arg("--host-key");
    let out = world.ok(cmd.arg(ssh.join(format!("host_{node}.pub"))).args(more.iter().copied()))?;
    Ok(serde_json::from_slice(&out.stdout)?)
}

fn ends(all: &[Value], file: &str) -> Result<i64, Fail> {
    let found = all.iter().find(|c| c["path"].as_str().is_some_and(|p| p.ends_with(file)));
    let Some(ends) = found.and_then(|c| c["ends"].as_i64()) else {
        fail!("no {file} among {} certificates", all.len())
    };
    Ok(ends)
}

/// Serial number and end of what a server shows to its clients, as openssl reads it.
fn shown(trio: &Trio, address: &str) -> Result<(String, i64), Fail> {
    let look = format!(
        "openssl s_client -connect {address}:6443 < /dev/null 2> /dev/null | openssl x509 -noout -serial -enddate && date -u +%s \
         -d \"$(openssl s_client -connect {address}:6443 < /dev/null 2> /dev/null | openssl x509 -noout -enddate | cut -d= -f2)\""
    );
    let text = trio.world.ok(trio.airlab(&["run", "--", "sh", "-c", &look]))?.text();
    let lines: Vec<&str> = text.lines().collect();
    let [serial, _, end] = lines.as_slice() else { fail!("openssl says {text}") };
    Ok(((*serial).to_owned(), end.trim().parse()?))
}

fn rotate(trio: &Trio) -> Proof {
    let (server, worker) = (("three", "10.78.0.13"), ("worker", "10.78.0.21"));
    let before = certificates(trio, server.0, server.1, &[])?;
    let (serial, end) = shown(trio, server.1)?;
    ensure!(ends(&before, SERVING)? == end, "the tool says {}, openssl {end}", ends(&before, SERVING)?);
    let (authorities, leaves): (Vec<_>, Vec<_>) = before.iter().partition(|c| c["authority"] == true);
    let first = leaves.first().and_then(|c| c["days"].as_i64()).unwrap_or_default();
    let last = authorities.first().and_then(|c| c["days"].as_i64()).unwrap_or_default();
    ensure!(0 < first && first < last, "certificates end in {first} days, their authorities in {last}");
    let kubelet = ends(&certificates(trio, worker.0, worker.1, &[])?, "client-kubelet.crt")?;
    let after = certificates(trio, server.0, server.1, &["--rotate"])?;
    let workers = certificates(trio, worker.0, worker.1, &["--rotate", "--agent"])?;
    let (new_serial, new_end) = shown(trio, server.1)?;
    ensure!(new_serial != serial && new_end > end, "{serial} until {end}, now {new_serial} until {new_end}");
    ensure!(ends(&after, SERVING)? == new_end, "the tool says {}, openssl {new_end}", ends(&after, SERVING)?);
    ensure!(ends(&after, "server-ca.crt")? == ends(&before, "server-ca.crt")?, "the authority is another one");
    ensure!(ends(&workers, "client-kubelet.crt")? > kubelet, "the worker's kubelet has its old certificate");
    // with the client certificate of the kubeconfig that was fetched before
    let told = trio.world.until("a whole cluster", || whole(&trio.status()?))?;
    Ok(format!(
        "{} certificates, the first ends in {first} days, an authority in {last}; {serial} -> {new_serial}; {told}",
        before.len()
    ))
}
