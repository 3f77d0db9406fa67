//! Debian packages and a program without one, from a repository's list to the nodes.

use std::fs;

use machine::Cmd;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::json;
use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure, fail};
use crate::world::World;

const TOOL: &str = "#!/bin/sh\necho a program without a package\n";

/// A repository with a package, what it needs and a stranger; the first two and a program are pinned beside the lab.
pub(super) fn pinned(home: &World) -> Proof {
    let repository = home.scratch("repository");
    fs::create_dir_all(&repository)?;
    let mut index = String::new();
    for (name, version, depends) in
        [("airlab-hello", "1:1.0", "airlab-data (>= 2)"), ("airlab-data", "2.0", "libc6"), ("airlab-other", "1", "")]
    {
        let made = testkit::deb(&repository, name, version, depends);
        let file = made.ok_or_else(|| Fail("there is no dpkg-deb".into()))?;
        let content = fs::read(&file)?;
        let title = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let fields = home.ok(Cmd::new("dpkg-deb").arg("--field").arg(&file))?.text();
        let (size, sum) = (content.len(), hex::encode(Sha256::digest(content)));
        index.push_str(&format!("{fields}\nFilename: {title}\nSize: {size}\nSHA256: {sum}\n\n"));
    }
    fs::write(repository.join("Packages"), index)?;
    fs::write(home.scratch("tool"), TOOL)?;
    // what a node has of its own
    fs::write(home.scratch("installed"), "libc6 2.36-9+deb12u10\n")?;
    let words = ["--index", "../repository/Packages", "--base-url", "../repository", "--installed", "../installed"];
    let listed = artifacts(home, &[&["packages"], &words[..], &["airlab-hello"]].concat())?;
    let names: Vec<&Value> = listed.as_array().into_iter().flatten().map(|row| &row["package"]).collect();
    ensure!(names.len() == 2 && !listed.to_string().contains("airlab-other"), "{listed}");
    let kubectl = home.ok(home.bare("sh").args(["-c", "command -v kubectl"]))?.text();
    let (tool, kubectl) = ("airlab-tool:binary=../tool", format!("kubectl-linux:kubectl={kubectl}"));
    artifacts(home, &["lock", "--file", tool, "--version-of", "airlab-tool=3", "--file", &kubectl])?;
    let planned = home.ok(home.airlab("provision", &["--plan"]))?.text();
    ensure!(planned.contains("airlab-hello 1:1.0") && planned.contains("airlab-tool 3"), "{planned}");
    Ok(format!("{names:?} and a program, in airlab.lock and in the plan"))
}

fn artifacts(home: &World, words: &[&str]) -> Result<Value, Fail> {
    let cmd = home.cmd(home.program("airlab")).arg("artifacts").args(words.iter().copied());
    Ok(serde_json::from_slice(&home.ok(cmd.args(["--output", "json"]))?.stdout)?)
}

/// The kubectl that came in the bundle shows the cluster.
pub(super) fn kubectl(world: &World, ready: &Ready) -> Proof {
    let Some(path) = &ready.kubectl else { fail!("no kubectl") };
    ensure!(path.ends_with(format!("{}/bin/kubectl", world.lab())), "{}", path.display());
    let kubeconfig = world.lab_dir().join("kubeconfig");
    let cmd =
        world.cmd(world.work().join(path)).arg("--kubeconfig").arg(kubeconfig).args(["get", "nodes", "-o", "name"]);
    let nodes = world.ok(cmd)?.text();
    ensure!(nodes.lines().count() == ready.nodes.len(), "{nodes}");
    Ok(format!("{}: {}", path.display(), nodes.replace('\n', ", ")))
}

/// The programs of both run on both nodes, and dpkg knows the packages as installed.
pub(super) fn on_the_nodes(world: &World) -> Proof {
    let line = "airlab-hello; airlab-data; airlab-tool; dpkg --audit; \
                dpkg-query --show --showformat '${Package} ${db:Status-Status}\\n' airlab-hello airlab-data; \
                ls /var/cache/airlab";
    let wanted = [
        "airlab-hello 1:1.0",
        "airlab-data 2.0",
        "a program without a package",
        "airlab-data installed",
        "airlab-hello installed",
    ];
    for node in ["first", "other"] {
        let told = world.ok(world.airlab("ssh", &[node, "--", line]))?.text();
        ensure!(told.lines().collect::<Vec<_>>() == wanted, "{node}: {told}");
    }
    let manifest = json(world, &["verify", "../carried", "--trust", "../bundles.key.pub"])?;
    Ok(format!("installed on both nodes; the bundle has {} files", manifest["files"]))
}
