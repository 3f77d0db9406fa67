//! One whole life of the embedded lab: before, provision, everything in between, destroy, after.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::foreign;
use crate::host::{Host, Unusual};
use crate::product::{Ready, Run};
use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::Report;
use crate::tree::{differences, moves_by_itself, tree};
use crate::world::{STOP, World};
use crate::{cluster, identity, inside, installer, trouble, twice};

/// The life of one lab. With `thorough` everything is looked at, otherwise only the host before and after.
pub(crate) fn suite(report: &mut Report, thorough: bool) -> Result<(), Fail> {
    let world = World::new("demo", None)?;
    let unusual = Unusual::set();
    world.set_deadline(std::time::Instant::now() + Duration::from_secs(60));
    let before = Host::look(&world)?;
    let plan = world.ok(world.airlab("provision", &["--plan"]))?.text();
    let mut ready = None;
    report.check("provision/first", Duration::from_secs(25 * 60), &world, || {
        let run = world.provision("first")?;
        let answer = first(&run)?;
        let nodes = answer.nodes.len();
        let text = format!("{nodes} nodes Ready in {:.0} s; by {}", run.took.as_secs_f32(), answer.evidence);
        ready = Some(answer);
        Ok(text)
    });
    if let Some(ready) = &ready {
        report.gained_by(&ready.evidence);
        report.check("provision/output-of-the-first", Duration::from_secs(5), &world, || output(&world));
        report.check("provision/user-kubeconfig-kept", Duration::from_secs(10), &world, || merged(&world, ready));
        report
            .check("provision/second-changes-nothing", Duration::from_secs(60), &world, || twice::again(&world, ready));
        if thorough {
            trouble::checks(report, &world, ready);
            cluster::checks(report, &world, ready);
            inside::checks(report, &world, ready);
            identity::checks(report, &world, ready);
            if let Some(node) = ready.nodes.last() {
                installer::checks(report, &world, &node.name);
            }
        }
    }
    report.check("destroy/removes-the-lab-and-names-its-caches", Duration::from_secs(180), &world, || destroy(&world));
    report.check("destroy/kubeconfig-byte-for-byte", Duration::from_secs(5), &world, || {
        let text = std::fs::read_to_string(world.user_kubeconfig())?;
        ensure!(text == foreign::KUBECONFIG, "the user's kubeconfig differs: {text}");
        Ok(format!("{} bytes as before the first run", text.len()))
    });
    report.check("host/as-before", Duration::from_secs(60), &world, || {
        let changes = world.until("the host to be as before", || {
            let after = Host::look(&world)?;
            let found = before.differences(&after, &plan);
            ensure!(found.is_empty(), "{} differences: {}", found.len(), found.join("; "));
            Ok(after.size())
        })?;
        Ok(format!("{} sysctls had unusual values; {changes}", unusual.count()))
    });
    Ok(())
}

fn first(run: &Run) -> Result<Ready, Fail> {
    run.succeeded()?;
    let ready: Ready = run.json()?;
    ensure!(ready.changed > 0 && ready.changes.len() as u64 == ready.changed, "changed {}", ready.changed);
    let not: Vec<&str> = ready.nodes.iter().filter(|n| !n.ready).map(|n| n.name.as_str()).collect();
    ensure!(not.is_empty() && !ready.nodes.is_empty(), "not Ready: {not:?}");
    ensure!(!ready.stand_ins.is_empty(), "the answer names no stand-in");
    ensure!(ready.evidence.len() > 10, "evidence {:?}", ready.evidence);
    let (gap, after) = run.longest_gap();
    ensure!(gap <= Duration::from_secs(10), "no line for {gap:.1?} after {after:?}");
    half_time(run)?;
    Ok(ready)
}

/// Seconds left, where a line shows them: `[00:10, 01:30 left] text`.
fn left(line: &str) -> Option<f64> {
    let shown = line.strip_prefix('[')?.split_once(" left]")?.0.rsplit(' ').next()?;
    let (minutes, seconds) = shown.split_once(':')?;
    Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
}

/// The end that the first line after half time foretells, against the real one.
fn half_time(run: &Run) -> Result<(), Fail> {
    let half = run.took / 2;
    let shown = run.lines.iter().filter(|(at, _)| *at >= half).find_map(|(at, line)| Some((*at, left(line)?)));
    let Some((at, told)) = shown else { fail!("no line after half time shows the time left") };
    let (foretold, real) = (at.as_secs_f64() + told, run.took.as_secs_f64());
    let close = (foretold - real).abs() <= 0.3 * real;
    ensure!(close, "at {at:.0?} an end after {foretold:.0} s was foretold, it came after {real:.0} s");
    Ok(())
}

/// The stand-ins are named in the first lines for people, before anything is done; the answer at the end names them too.
fn output(world: &World) -> Proof {
    let text = std::fs::read_to_string(world.scratch("first.err"))?;
    let named = text.lines().take(15).filter(|l| l.contains("stand-in:")).count();
    ensure!(named > 0, "the first lines do not name the stand-ins");
    Ok(format!("{} lines, {named} stand-ins named in the first", text.lines().count()))
}

/// What was in the user's kubeconfig is still there, line by line, and its own contexts work as before.
pub(crate) fn merged(world: &World, ready: &Ready) -> Proof {
    let text = std::fs::read_to_string(world.user_kubeconfig())?;
    let mut rest = text.lines();
    for line in foreign::KUBECONFIG.lines().filter(|l| !l.starts_with("current-context")) {
        ensure!(rest.any(|l| l == line), "the line {line:?} is gone or moved");
    }
    let names = world.ok(world.cmd("kubectl").args(["config", "get-contexts", "-o", "name"]))?.text();
    let names: Vec<&str> = names.lines().collect();
    for name in ["prod", "old", &ready.context] {
        ensure!(names.contains(&name), "contexts {names:?}");
    }
    ensure!(ready.context == ready.lab, "context {} for lab {}", ready.context, ready.lab);
    Ok(format!("contexts {}", names.join(", ")))
}

/// Removes the lab; what stays is named. Also when all is to stop: what was started must go.
pub(crate) fn destroy(world: &World) -> Proof {
    let stopping = STOP.swap(false, Ordering::SeqCst);
    let proof = removed(world);
    STOP.fetch_or(stopping, Ordering::SeqCst);
    proof
}

fn removed(world: &World) -> Proof {
    let run = world.watch(&world.airlab("destroy", &["--yes", "--output", "json"]), "destroy")?;
    run.succeeded()?;
    let answer: serde_json::Value = run.json()?;
    let left = tree(&world.lab_dir(), moves_by_itself)?;
    ensure!(left.is_empty(), "still there: {}", differences(&left, &Default::default()).unwrap_or_default());
    let kept = answer["kept"].as_array().map_or(0, Vec::len);
    let cache = crate::world::cache().display().to_string();
    ensure!(kept > 0 && answer["kept"].to_string().contains(&cache), "the cache {cache} is not named: {answer}");
    Ok(format!("{} things removed, kept {}", answer["removed"].as_array().map_or(0, Vec::len), answer["kept"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(lines: &[(u64, &str)], took: u64) -> Run {
        let lines = lines.iter().map(|(at, l)| (Duration::from_secs(*at), (*l).to_owned())).collect();
        Run { code: 0, stdout: String::new(), lines, took: Duration::from_secs(took) }
    }

    #[test]
    fn the_estimate_after_half_time_is_judged() {
        assert_eq!(left("[00:10, 01:30 left] x"), Some(90.0));
        assert_eq!(left("[00:10] x"), None);
        assert!(half_time(&run(&[(10, "[00:10, 00:99 left] a"), (50, "[00:50, 00:45 left] b")], 100)).is_ok());
        assert!(half_time(&run(&[(50, "[00:50, 01:30 left] b")], 100)).is_err());
    }

    #[test]
    fn silence_before_the_first_line_and_after_the_last_counts() {
        assert_eq!(run(&[(12, "a"), (13, "b")], 14).longest_gap().0, Duration::from_secs(12));
        assert_eq!(run(&[(1, "a"), (2, "b")], 14).longest_gap(), (Duration::from_secs(12), "b".into()));
    }
}
