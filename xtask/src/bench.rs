//! `cargo xtask bench`: measurements with a goal. `start` and `boot` are times to Ready, and to a booted machine, against
//! bare floors in the same run; `registry` is ours beside docker-registry, `ssh` ours beside OpenSSH.

mod bars;
mod boot;
mod load;
mod mirror;
mod registry;
mod ssh;
mod vmrun;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use machine::{Cmd, Local};
use steps::{Timeline, chain};

use crate::lab::target;
use crate::provision::programs;
use crate::say::Talk;
use crate::{Ended, packages, say};

/// Times the floor that a provision may take.
const GOAL: f64 = 2.0;
const FLOOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/bench/floor.sh");
const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/bench/floor-node.sh");

/// The middle one of several figures; of an even number the upper of the two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// `bench start`: the same three disks written and started as bare containers with Kubernetes by a plain script, then
/// a cached provision. Exit code 1 when the provision takes more than twice the floor.
pub(crate) fn run(words: &[String]) -> Ended {
    if words == ["boot"] {
        return boot::run();
    }
    if words == ["mirror"] {
        return mirror::run();
    }
    if words == ["vmrun"] {
        return vmrun::run();
    }
    if words == ["ssh"] {
        return ssh::run();
    }
    if words == ["registry"] {
        return registry::run();
    }
    if words != ["start"] {
        return say::not_yet(&format!("bench {}", words.join(" ")));
    }
    if !packages::root() {
        return Err("the measurement starts containers: run it as root".into());
    }
    let talk = Talk::start("bench-start", Timeline::default());
    let work = Folder::new()?;
    programs(&talk)?;
    let spec = demolab::Spec { cache: demolab::default_cache() };
    let image = demolab::node_image(&spec.cache, talk.as_ref()).map_err(|e| chain(&e))?;
    let parts = demolab::build(&spec, talk.as_ref()).map_err(|e| chain(&e))?;
    talk.say("floor: three disks, three containers, Kubernetes by a plain script");
    let floor = floor(&work.0.join("floor"), &image.rootfs, &parts.k3s, &parts.airgap_images)?;
    talk.say("provision: the same from `airlab provision`, parts cached");
    let ready = provision(&work.0.join("lab"))?;
    let ratio = ready / floor;
    talk.finished();
    say::result(&format!(
        "floor      {floor:6.1} s\nprovision  {ready:6.1} s\nratio      {ratio:6.2}    (goal: at most {GOAL:.1})\n"
    ))?;
    Ok(u8::from(ratio > GOAL))
}

/// A folder that goes when the measurement ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, String> {
        let dir = target().join("xtask").join(format!("bench-{}", std::process::id()));
        for part in ["floor", "lab"] {
            std::fs::create_dir_all(dir.join(part)).map_err(|e| format!("{}: {e}", dir.display()))?;
        }
        Ok(Self(dir))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Seconds the plain script takes.
fn floor(work: &Path, rootfs: &Path, k3s: &Path, images: &Path) -> Result<f64, String> {
    let cmd = Cmd::new("bash").arg(FLOOR).env("ROOTFS", rootfs).env("K3S", k3s).env("IMAGES", images);
    let cmd = cmd.env("NODE", NODE).env("WORK", work).timeout(Duration::from_secs(600));
    let code = Local.take_over(&cmd).map_err(|e| chain(&e))?;
    if code != 0 {
        return Err(format!("the floor's script ended with {code}"));
    }
    let text = std::fs::read_to_string(work.join("seconds")).map_err(|e| format!("the floor's figure: {e}"))?;
    text.trim().parse().map_err(|e| format!("the floor's figure {text:?}: {e}"))
}

/// Seconds a provision of the embedded lab takes in an empty folder; the lab is destroyed afterwards.
fn provision(work: &Path) -> Result<f64, String> {
    let airlab = |words: &[&str]| {
        let cmd = Cmd::new(target().join("debug/airlab")).args(words.iter().copied()).dir(work);
        let cmd = cmd.env("KUBECONFIG", work.join("kubeconfig")).timeout(Duration::from_secs(1800));
        Local.take_over(&cmd).map_err(|e| chain(&e))
    };
    let start = Instant::now();
    let up = airlab(&["provision", "--yes"]);
    let took = start.elapsed().as_secs_f64();
    let down = airlab(&["destroy", "--yes"]);
    match (up?, down?) {
        (0, 0) => Ok(took),
        (up, down) => Err(format!("provision ended with {up}, destroy with {down}")),
    }
}
