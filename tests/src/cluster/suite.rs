//! A cluster of three servers through everything that happens to clusters.

use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::Cmd;
use serde_json::Value;

use crate::life;
use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::Report;
use crate::world::World;

use super::words::{Asked, Files};
use super::{certificates, conditions, datastore, nodes, outside, servers, upgrade};

const LAB: &str = include_str!("../../labs/trio.toml");
const MINUTE: Duration = Duration::from_secs(60);

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

    /// The k3s and the air-gap images that the lab is made with.
    pub(crate) fn files(&self) -> Result<Files, Fail> {
        match &self.asked.real {
            Some(files) => Ok(files.clone()),
            None => self.stand_ins(demolab::kubernetes),
        }
    }

    /// Others to upgrade to, where there are any.
    pub(crate) fn other_files(&self) -> Result<Option<Files>, Fail> {
        match &self.asked {
            Asked { next: Some(files), .. } => Ok(Some(files.clone())),
            Asked { real: Some(_), .. } => Ok(None),
            Asked { .. } => self.stand_ins(demolab::next_kubernetes).map(Some),
        }
    }

    fn stand_ins(&self, program: impl Fn(&Path, &dyn steps::Sink) -> demolab::Result<PathBuf>) -> Result<Files, Fail> {
        let cache = self.world.cache();
        let airgap = demolab::images(&cache, &steps::Silent)?.airgap;
        Ok((program(&cache, &steps::Silent)?.display().to_string(), airgap.display().to_string()))
    }

    /// Which steps with such a name began and ended, in order, in all runs so far.
    pub(crate) fn steps(&self, prefix: &str) -> Result<Vec<String>, Fail> {
        let text = std::fs::read_to_string(self.world.lab_dir().join("journal.jsonl"))?;
        let lines = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let of = lines.filter(|l| l["step"].as_str().is_some_and(|s| s.starts_with(prefix)));
        let ends = of.filter(|l| l["event"] == "started" || l["event"] == "finished");
        let word = |l: &Value, key: &str| l[key].as_str().unwrap_or_default().to_owned();
        Ok(ends.map(|l| format!("{} {}", word(&l, "event"), word(&l, "step"))).collect())
    }

    /// What `status` says now.
    pub(crate) fn status(&self) -> Result<Value, Fail> {
        self.status_of(&[])
    }

    /// What `status` with these words says now.
    pub(crate) fn status_of(&self, words: &[&str]) -> Result<Value, Fail> {
        let out = self.world.run(self.airlab(&["status", "--output", "json"]).args(words.iter().copied()))?;
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
    report.check("cluster/three-servers", 15 * MINUTE, world, || {
        let answer = trio.json(trio.making(&["provision", "--yes"]), "first")?;
        let told = whole(&answer)?;
        ready = Some(serde_json::from_value::<Ready>(answer)?);
        Ok(told)
    });
    if let Some(ready) = &ready {
        report.gained_by(&ready.evidence);
        report.check("cluster/one-after-the-other", MINUTE, world, || servers::in_order(&trio));
        if nodes::added(report, &trio) {
            conditions::checks(report, &trio);
            datastore::checks(report, &trio);
            nodes::drained(report, &trio);
            servers::checks(report, &trio);
            upgrade::checks(report, &trio);
            certificates::checks(report, &trio);
            report.check("cluster/down-and-up", 8 * MINUTE, world, || down_and_up(&trio));
            nodes::removed(report, &trio);
        }
        outside::checks(report, &trio);
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
