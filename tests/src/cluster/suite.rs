//! A cluster of three servers through everything that happens to clusters.

use std::time::Duration;

use machine::Cmd;
use serde_json::Value;

use crate::life;
use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::Report;
use crate::world::World;

use super::{conditions, datastore, nodes, servers};

const LAB: &str = include_str!("../../labs/trio.toml");
const MINUTE: Duration = Duration::from_secs(60);

/// What the suite was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// The true k3s and its air-gap images, instead of the stand-in.
    pub(crate) real: Option<(String, String)>,
}

impl Asked {
    /// `--k3s FILE --airgap FILE`, or nothing.
    pub(crate) fn parse(words: &[&str]) -> Option<Self> {
        let whole = |path: &str| std::path::absolute(path).ok().map(|p| p.display().to_string());
        match words {
            [] => Some(Self::default()),
            ["--k3s", k3s, "--airgap", airgap] | ["--airgap", airgap, "--k3s", k3s] => {
                Some(Self { real: Some((whole(k3s)?, whole(airgap)?)) })
            }
            _ => None,
        }
    }

    fn words(&self) -> Vec<&str> {
        self.real.iter().flat_map(|(k3s, airgap)| ["--k3s", k3s, "--airgap", airgap]).collect()
    }
}

/// A lab under test.
pub(crate) struct Trio {
    pub(crate) world: World,
    asked: Asked,
}

impl Trio {
    /// A command of the product that is about this lab.
    pub(crate) fn airlab(&self, words: &[&str]) -> Cmd {
        // what follows `--` or is the provider's comes last
        let (own, rest) = words.split_at(words.iter().position(|w| *w == "--" || *w == "-T").unwrap_or(words.len()));
        let cmd = self.world.cmd(self.world.program("airlab")).args(own);
        cmd.arg("--lab").arg(self.world.scratch("lab.toml")).args(rest)
    }

    /// One that brings nodes up, with the files it was asked to use.
    pub(crate) fn making(&self, words: &[&str]) -> Cmd {
        self.airlab(words).args(self.asked.words())
    }

    /// Runs one to its end and gives its JSON.
    pub(crate) fn json(&self, cmd: Cmd, name: &str) -> Result<Value, Fail> {
        let run = self.world.watch(&cmd.args(["--output", "json"]), name)?;
        run.succeeded()?;
        run.json()
    }

    /// What `status` says now.
    pub(crate) fn status(&self) -> Result<Value, Fail> {
        let out = self.world.run(self.airlab(&["status", "--output", "json"]))?;
        serde_json::from_slice(&out.stdout).map_err(|e| Fail(format!("status: {e}: {}", out.error_text())))
    }
}

/// One condition of an answer: `yes`, `no` or `not-here`, and its detail.
pub(crate) fn condition(answer: &Value, name: &str) -> Result<(String, String), Fail> {
    let all = answer["conditions"].as_array().cloned().unwrap_or_default();
    let Some(one) = all.iter().find(|c| c["name"] == name) else { fail!("no condition {name} in {answer}") };
    let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    Ok((text("shown"), text("detail")))
}

/// The conditions in one line; fails where one does not hold.
pub(crate) fn whole(answer: &Value) -> Proof {
    let mut told = Vec::new();
    for name in ["api", "nodes", "workloads", "images", "dns", "traffic"] {
        let (shown, detail) = condition(answer, name)?;
        ensure!(shown != "no", "{name}: {detail}");
        told.push(format!("{name}: {detail}"));
    }
    Ok(told.join("; "))
}

pub(crate) fn suite(report: &mut Report, asked: &Asked) -> Result<(), Fail> {
    let trio = Trio { world: World::new("trio", Some(LAB))?, asked: asked.clone() };
    let world = &trio.world;
    let mut ready = None;
    report.check("cluster/three-servers-and-a-worker", 15 * MINUTE, world, || {
        let answer = trio.json(trio.making(&["provision", "--yes"]), "first")?;
        let told = whole(&answer)?;
        ready = Some(serde_json::from_value::<Ready>(answer)?);
        Ok(told)
    });
    if let Some(ready) = &ready {
        report.gained_by(&ready.evidence);
        report.check("cluster/one-after-the-other", MINUTE, world, || servers::in_order(&trio));
        conditions::checks(report, &trio);
        nodes::checks(report, &trio);
        datastore::checks(report, &trio);
        servers::checks(report, &trio);
        report.check("cluster/down-and-up", 8 * MINUTE, world, || down_and_up(&trio));
        report.check("cluster/ingress-and-load-balancer", 3 * MINUTE, world, || servers::ingress(&trio));
    }
    report.check("cluster/destroy", 4 * MINUTE, world, || life::destroy(world));
    Ok(())
}

fn down_and_up(trio: &Trio) -> Proof {
    let down = trio.json(trio.airlab(&["down"]), "down")?;
    let changes = down["changes"].to_string();
    let at = |node: &str| changes.find(&format!("{node}: stopped")).unwrap_or(usize::MAX);
    ensure!(at("worker") < at("three") && at("three") < at("one"), "order {changes}");
    ensure!(changes.contains("registry stopped") && changes.contains("network down"), "{changes}");
    let again = trio.json(trio.airlab(&["down"]), "down-again")?;
    ensure!(again["changes"].as_array().is_some_and(Vec::is_empty), "a second down changed {}", again["changes"]);
    let up = trio.json(trio.airlab(&["up"]), "up")?;
    let told = whole(&up)?;
    let started = up["changes"].to_string();
    ensure!(started.find("registry started") < started.find("one: started"), "order {started}");
    let again = trio.json(trio.airlab(&["up"]), "up-again")?;
    ensure!(again["changes"].as_array().is_some_and(Vec::is_empty), "a second up changed {}", again["changes"]);
    Ok(format!("{} and {} things; {told}", down["changes"].as_array().map_or(0, Vec::len), up["seconds"]))
}
