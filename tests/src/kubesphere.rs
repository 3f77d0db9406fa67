//! KubeSphere as `provision` installs it: a chart as bytes, real Helm, images that only the lab's registry has.
//!
//! The chart and its programs are stand-ins with KubeSphere's names, ports and paths (`demolab::kubesphere_images`); the
//! controller that runs Helm is the skin's. What is shown is ours: values, order, waiting, findings, removal.

mod broken;
mod browser;
mod extensions;
mod files;
mod login;

use std::time::Duration;

use machine::Cmd;
use serde_json::Value;

use crate::life;
use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::Report;
use crate::world::World;

const LAB: &str = include_str!("../labs/kubesphere.toml");
const MINUTE: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "kubesphere-system";
/// The console as the lab's network reaches it.
const CONSOLE: &str = "192.168.6.10:30880";

pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let world = &World::new("sphere", Some(LAB))?;
    world.set_deadline(std::time::Instant::now() + 30 * MINUTE);
    files::place(world)?;
    let mut console = None;
    report.check("kubesphere/provision", 12 * MINUTE, world, || {
        let (url, text) = provision(world)?;
        console = Some(url);
        Ok(text)
    });
    if let Some(url) = &console {
        report.check("kubesphere/console-in-and-outside-the-network", MINUTE, world, || page(world, url));
        report.check("kubesphere/console-in-a-browser", 3 * MINUTE, world, || browser::shows_the_console(world, url));
        report.check("kubesphere/password-kept-and-not-shown", MINUTE, world, || login::file(world));
        report.check("kubesphere/generated-password-works", MINUTE, world, || login::works(world, url));
        report.check("kubesphere/known-default-refused", MINUTE, world, || login::default_refused(world, url));
        report.check("kubesphere/hook-ran", MINUTE, world, || hook(world));
        report.check("kubesphere/healthy-and-no-finding", MINUTE, world, || healthy(world));
        report.check("kubesphere/second-changes-nothing", 3 * MINUTE, world, || login::second(world, url));
        broken::checks(report, world);
        report.check("kubesphere/extensions-in-order", 8 * MINUTE, world, || extensions::in_order(world));
        report
            .check("kubesphere/failed-release-ends-the-wait", 4 * MINUTE, world, || extensions::failed_release(world));
        report.check("kubesphere/removed", 5 * MINUTE, world, || extensions::removed(world));
        report.check("kubesphere/again-after-a-removal", 4 * MINUTE, world, || extensions::again(world, url));
    }
    report.check("kubesphere/destroy", 4 * MINUTE, world, || life::destroy(world));
    Ok(())
}

/// The `kubesphere` program against this lab's cluster.
fn tool(world: &World, words: &[&str]) -> Cmd {
    let own = world.lab_dir().join("kubeconfig");
    world.cmd(world.program("kubesphere")).args(words).arg("--kubeconfig").arg(own)
}

/// What `kubesphere status` says, whatever that is.
fn status(world: &World) -> Result<Value, Fail> {
    let out = world.run(tool(world, &["status", "--output", "json"]))?;
    let answer: Value =
        serde_json::from_slice(&out.stdout).map_err(|e| Fail(format!("status: {e}: {}", out.error_text())))?;
    let healthy = answer["healthy"] == true;
    ensure!(healthy == (out.code == 0), "healthy is {healthy}, the exit code {}", out.code);
    Ok(answer)
}

/// From nothing to a console that answers; where it is.
fn provision(world: &World) -> Result<(String, String), Fail> {
    let run = world.provision("first")?;
    run.succeeded()?;
    let answer: Value = run.json()?;
    let url = answer["console"]["url"].as_str().unwrap_or_default().to_owned();
    ensure!(url.starts_with("http://127.0.0.1:"), "the console as a person reaches it: {}", answer["console"]);
    let ready: Ready = serde_json::from_value(answer)?;
    let of = |what: &str| ready.changes.iter().find(|c| c.contains(what)).cloned();
    let Some(core) = of("KubeSphere's core") else { fail!("no core among {:?}", ready.changes) };
    for image in [demolab::KUBESPHERE, demolab::KUBESPHERE_HOOK, demolab::HELM] {
        ensure!(of(image).is_some(), "{image} was not mirrored: {:?}", ready.changes);
    }
    let waits = run.lines.iter().filter(|(_, l)| l.contains("kubesphere")).map(|(at, _)| *at);
    let (from, to) = (waits.clone().min().unwrap_or_default(), waits.max().unwrap_or_default());
    let text = format!(
        "{core}; {url} after {:.0} s, {:.0} s of them KubeSphere",
        run.took.as_secs_f32(),
        (to - from).as_secs_f32()
    );
    Ok((url, text))
}

fn page(world: &World, outside: &str) -> Proof {
    let inside = format!("http://{CONSOLE}/");
    let get = ["curl", "-fsSL", "-m", "10"];
    let words: Vec<&str> = ["--"].into_iter().chain(get).chain([inside.as_str()]).collect();
    let within = world.ok(world.airlab("run", &words))?.text();
    let without = world.ok(world.bare(get[0]).args(&get[1..]).arg(outside))?.text();
    ensure!(within.contains("<title>Console"), "{inside} answers {within}");
    ensure!(within == without, "{outside} answers something else: {without}");
    Ok(format!("{} bytes at {inside} and at {outside}", within.len()))
}

fn healthy(world: &World) -> Proof {
    let answer = status(world)?;
    ensure!(answer["healthy"] == true && answer["findings"] == serde_json::json!([]), "{answer}");
    Ok(format!(
        "revision {}, {} workloads",
        answer["release"]["revision"],
        answer["workloads"].as_array().map_or(0, Vec::len)
    ))
}

/// What the chart's hook Job does, and that the Job is gone as it should.
fn hook(world: &World) -> Proof {
    let label = "jsonpath={.metadata.labels.kubesphere\\.io/workspace}";
    let label = world.kubectl(&["get", "namespace", NAMESPACE, "-o", label])?;
    ensure!(label == "system-workspace", "the namespace's label is {label:?}");
    let jobs = world.kubectl(&["get", "jobs", "-n", NAMESPACE, "-o", "name"])?;
    ensure!(jobs.is_empty(), "jobs are left: {jobs}");
    Ok("the namespace is labelled, no Job is left".into())
}
