//! A namespace is deleted and comes back with a snapshot.

use std::time::Duration;

use serde_json::json;

use crate::proof::{Proof, ensure, fail};
use crate::report::Report;

use super::suite::{Trio, whole};

pub(crate) fn checks(report: &mut Report, trio: &Trio) {
    report.check("cluster/a-snapshot-brings-a-namespace-back", Duration::from_secs(900), &trio.world, || restore(trio));
}

fn restore(trio: &Trio) -> Proof {
    let world = &trio.world;
    world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}}))?;
    world.apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "word", "namespace": "kept"},
        "data": {"word": "remembered"}}))?;
    let saved = trio.json(trio.airlab(&["etcd", "save", "--name", "before"]), "save")?;
    let Some(name) = saved["name"].as_str().map(str::to_owned) else { fail!("no name in {saved}") };
    let list = trio.json(trio.airlab(&["etcd", "list"]), "list")?;
    ensure!(list.to_string().contains(&name), "{name} is not in {list}");
    world.delete(&["namespace", "kept"])?;
    world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later"}}))?;
    let wrong = world.run(trio.airlab(&["etcd", "restore", "no-such-snapshot"]))?;
    ensure!(wrong.code == 10 && wrong.error_text().contains(&name), "{}: {}", wrong.code, wrong.error_text());
    trio.json(trio.airlab(&["etcd", "restore", &name]), "restore")?;
    let word = world.until("the namespace to be back", || {
        let word = world.kubectl(&["-n", "kept", "get", "configmap", "word", "-o", "jsonpath={.data.word}"])?;
        ensure!(word == "remembered", "it holds {word:?}");
        Ok(word)
    })?;
    let later = world.kubectl(&["get", "namespaces", "-o", "name"])?;
    ensure!(!later.contains("namespace/later"), "what came later is still there: {later}");
    let told = world.until("a whole cluster again", || whole(&trio.status()?))?;
    Ok(format!("{name}, {} bytes: {word:?} is back, what came later is gone; {told}", saved["bytes"]))
}
