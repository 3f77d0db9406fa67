//! Nothing is lost when anything breaks: `provision` is killed inside each of its steps, machines lose their power while
//! they are installed and while they join, and a plain second run brings the lab to Ready every time.
//!
//! `e2e kill [--full] [--seed N] [--step NAME]`: without `--full` a slice of the cases that moves on with every day and
//! every commit.

mod left;
pub(crate) mod moment;
mod steps;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use crate::life;
use crate::product::{Ready, Running};
use crate::proof::{Fail, Proof, ensure, fail, tail};
use crate::report::{Report, say};
use crate::world::{STOP, World};

use left::{Foreign, Shape};
use moment::{Dice, Moment, strike};
use steps::Steps;

const LAB: &str = include_str!("../labs/kill.toml");
/// Cases of a run that does not ask for all.
const SLICE: usize = 5;
/// A slice begins no further case after this.
const ENOUGH: Duration = Duration::from_secs(190);
/// A draw that falls outside of its step is drawn again this often.
const DRAWS: u64 = 8;
/// What a node's console says in the middle of the commands of its first boot, before its ready marker is there.
const FIRST_BOOT: &str = "sync-time.service";
/// How soon a run must end by itself after one of its machines lost its power.
const NOTICES: Duration = Duration::from_secs(120);

/// What happens inside a step.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Case {
    /// Every process of the run is killed.
    Kill(String),
    /// The run is asked to end, as by a service manager.
    Term(String),
    /// This node's machine loses its power.
    PowerCut(String, String),
    /// This node's machine loses its power when its console says this.
    PowerCutAt(&'static str, String),
}

impl Case {
    fn name(&self) -> String {
        match self {
            Self::Kill(step) => format!("kill/{step}"),
            Self::Term(step) => format!("kill/asked-to-end/{step}"),
            Self::PowerCut(step, _) => format!("kill/power-cut/{step}"),
            Self::PowerCutAt(_, node) => format!("kill/power-cut/first-boot/{node}"),
        }
    }

    fn step(&self) -> &str {
        match self {
            Self::Kill(step) | Self::Term(step) | Self::PowerCut(step, _) => step,
            Self::PowerCutAt(..) => "install",
        }
    }
}

/// What the command line asks for.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    full: bool,
    seed: Option<u64>,
    step: Option<String>,
}

impl Asked {
    /// Reads the words behind `kill`.
    pub(crate) fn parse(words: &[&str]) -> Option<Self> {
        match words {
            [] => Some(Self::default()),
            ["--full", rest @ ..] => Some(Self { full: true, ..Self::parse(rest)? }),
            ["--seed", seed, rest @ ..] => Some(Self { seed: Some(seed.parse().ok()?), ..Self::parse(rest)? }),
            ["--step", step, rest @ ..] => Some(Self { step: Some((*step).to_owned()), ..Self::parse(rest)? }),
            _ => None,
        }
    }
}

pub(crate) fn suite(report: &mut Report, asked: &Asked) -> Result<(), Fail> {
    let world = World::new("killed", Some(LAB))?;
    let foreign = Foreign::plant(&world)?;
    let mut found = None;
    report.check("kill/undisturbed", Duration::from_secs(25 * 60), &world, || {
        let (steps, ready) = undisturbed(&world)?;
        let shape = Shape::look(&world)?;
        let text = format!("{} steps, {} nodes Ready; at work: {shape}", steps.names().count(), ready.nodes.len());
        found = Some((steps, shape, ready.evidence));
        Ok(text)
    });
    let Some((steps, shape, evidence)) = found else {
        life::destroy(&world)?;
        return Ok(());
    };
    report.gained_by(&evidence);
    let start = Instant::now();
    let seed = asked.seed.unwrap_or_else(today);
    let cases = chosen(all(&steps), asked, runs_before(&world));
    say(&format!("     seed {seed}: {}", cases.iter().map(Case::name).collect::<Vec<_>>().join(", ")));
    ensure!(!cases.is_empty(), "no case of this name");
    for case in &cases {
        if STOP.load(Ordering::SeqCst) {
            break;
        }
        if !asked.full && asked.step.is_none() && start.elapsed() > ENOUGH {
            say(&format!("     {} is left for another run: the slice has had its time", case.name()));
            continue;
        }
        let passed = report.check(&case.name(), Duration::from_secs(6 * 60), &world, || {
            survived(&world, &steps, &shape, &foreign, case, seed)
        });
        if !passed {
            say(&format!("     again: e2e kill --seed {seed} --step {}", case.name().trim_start_matches("kill/")));
        }
    }
    report.check("kill/destroy", Duration::from_secs(180), &world, || {
        let text = clean(&world, &foreign)?;
        if !STOP.load(Ordering::SeqCst) {
            Shape::look(&world)?.is_nothing()?;
        }
        Ok(text)
    });
    Ok(())
}

/// A run from nothing to Ready that nobody disturbs; what its steps are called and how long they take.
fn undisturbed(world: &World) -> Result<(Steps, Ready), Fail> {
    let plan: serde_json::Value = {
        let out = world.ok(world.airlab("provision", &["--plan", "--output", "json"]))?;
        serde_json::from_slice(&out.stdout)?
    };
    let listed = plan["stages"].as_array().cloned().unwrap_or_default();
    let listed: Vec<String> = listed.iter().filter_map(|s| s["step"].as_str().map(str::to_owned)).collect();
    let run = world.provision("undisturbed")?;
    run.succeeded()?;
    Ok((Steps::of(&run.lines, &listed)?, run.json()?))
}

/// Every step, and the power cuts, in the order in which they happen.
fn all(steps: &Steps) -> Vec<Case> {
    let kills = steps.names().map(|step| Case::Kill(step.to_owned()));
    let cuts = steps.names().filter_map(|step| {
        let (kind, node) = step.split_once('/')?;
        let joins = ["install", "server", "agents"].contains(&kind);
        joins.then(|| Case::PowerCut(step.to_owned(), node.to_owned()))
    });
    let first_boot = steps.names().filter_map(|step| step.strip_prefix("install/"));
    let first_boot = first_boot.map(|node| Case::PowerCutAt(FIRST_BOOT, node.to_owned()));
    let terms = ["install", "ready"].map(|step| Case::Term(step.to_owned()));
    kills.chain(terms).chain(cuts).chain(first_boot.take(1)).collect()
}

/// All, the one that was asked for, or the next slice of a list in which early, late and power-cut cases alternate.
fn chosen(all: Vec<Case>, asked: &Asked, before: usize) -> Vec<Case> {
    if let Some(step) = &asked.step {
        return all.into_iter().filter(|c| c.name() == format!("kill/{step}")).collect();
    }
    if asked.full {
        return all;
    }
    let slices = all.len().div_ceil(SLICE);
    let turn = before % slices;
    all.into_iter().enumerate().filter(|(at, _)| at % slices == turn).map(|(_, case)| case).collect()
}

fn days() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |t| t.as_secs() / 86400)
}

fn today() -> u64 {
    days()
}

/// A number that grows with every day and every commit, so that slices take turns.
fn runs_before(world: &World) -> usize {
    let root = env!("CARGO_MANIFEST_DIR");
    let count = world.run(machine::Cmd::new("git").args(["-C", root, "rev-list", "--count", "HEAD"]));
    let commits = count.ok().and_then(|out| out.text().parse::<u64>().ok()).unwrap_or(0);
    usize::try_from(days() + commits).unwrap_or(0)
}

/// One case from nothing to Ready: the blow inside its step, a plain second run, and everything as it should be.
fn survived(world: &World, steps: &Steps, shape: &Shape, foreign: &Foreign, case: &Case, seed: u64) -> Proof {
    let length = steps.length(case.step())?;
    for draw in 0..DRAWS {
        clean(world, foreign)?;
        foreign.replant(world)?;
        let mut dice = Dice::new(seed, &case.name(), draw);
        let mut run = world.start(&world.airlab("provision", &["--yes", "--output", "json"]), "struck")?;
        let moment = Moment { step: case.step(), after: dice.part_of(length) };
        let blow = match case {
            Case::Kill(_) => kill(run, &moment, dice.coin())?,
            Case::Term(_) => match strike(&mut run, &moment)? {
                Some(()) => Some(asked_to_end(run)?),
                None => {
                    run.end()?;
                    None
                }
            },
            Case::PowerCutAt(text, node) => {
                let console = world.lab_dir().join("nodes").join(node).join("serial0.log");
                moment::until_said(&mut run, &console, text)?;
                power_cut(world, run, node, case.step())?
            }
            Case::PowerCut(_, node) => match strike(&mut run, &moment)? {
                Some(()) => power_cut(world, run, node, case.step())?,
                None => {
                    run.end()?;
                    None
                }
            },
        };
        let Some(blow) = blow else {
            say(&format!("     {}: draw {draw} fell outside of the step", case.name()));
            continue;
        };
        let text = format!("seed {seed} draw {draw}: {blow}, {:.0?} into {length:.0?}", moment.after);
        say(&format!("     {}: {text}", case.name()));
        return Ok(format!("{text}; {}", recovered(world, shape, foreign)?));
    }
    fail!("no draw of {DRAWS} fell inside the step of {length:.1?}")
}

/// Kills the run's process group, or everything that it ever started and still owns; nothing if its step was over.
fn kill(mut run: Running<'_>, moment: &Moment<'_>, everything: bool) -> Result<Option<String>, Fail> {
    if strike(&mut run, moment)?.is_none() {
        run.end()?;
        return Ok(None);
    }
    let group = run.pid();
    let more = if everything { moment::descendants(group) } else { Vec::new() };
    moment::kill_group(group);
    more.iter().copied().for_each(moment::kill_one);
    let lines = run.end()?;
    let over = |(_, line): &(Duration, String)| steps::ended(line).as_deref() == Some(moment.step);
    let inside = !steps::own(&lines, moment.step).iter().any(over);
    let what = if everything {
        format!("process group and {} descendants killed", more.len())
    } else {
        "process group killed".into()
    };
    Ok(inside.then_some(what))
}

/// Asks the run to end; it says what to do next, with exit code 90, at once.
fn asked_to_end(run: Running<'_>) -> Result<String, Fail> {
    moment::ask_to_end(run.pid());
    let asked = Instant::now();
    let ended = run.wait()?;
    let took = asked.elapsed();
    let said: Vec<&str> = ended.lines.iter().map(|(_, l)| l.as_str()).collect();
    ensure!(ended.code == 90, "exit code {} after SIGTERM: {}", ended.code, tail(&said.join("\n"), 3));
    ensure!(took < Duration::from_secs(10), "it took {took:.1?} to end");
    ensure!(ended.stdout.contains("airlab provision"), "it does not say how to go on: {}", tail(&ended.stdout, 5));
    Ok(format!("SIGTERM, exit code 90 after {took:.1?}"))
}

/// Takes the power from a node's machine and waits for the run's own end: an error, or Ready in spite of it.
fn power_cut(world: &World, run: Running<'_>, node: &str, step: &str) -> Result<Option<String>, Fail> {
    let vmx = world.lab_dir().join("nodes").join(node).join(format!("{node}.vmx")).display().to_string();
    let out = world.run(world.airlab("vmrun", &["-T", "ws", "stop", &vmx, "hard"]))?;
    if out.code != 0 && out.text().contains("not powered on") {
        run.end()?; // the machine is not on yet at this moment
        return Ok(None);
    }
    ensure!(out.code == 0, "stop hard: {}", out.text());
    let cut = Instant::now();
    let ended = run.wait()?;
    let lines: Vec<&str> = ended.lines.iter().map(|(_, l)| l.as_str()).collect();
    let inside = !steps::own(&ended.lines, step).iter().any(|(_, l)| steps::ended(l).as_deref() == Some(step));
    let took = cut.elapsed();
    ensure!(took < NOTICES || ended.code == 0, "the run went on for {took:.0?}: {}", tail(&lines.join("\n"), 3));
    let id = serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap_or_default();
    let end = if ended.code == 0 { "Ready all the same".into() } else { format!("exit {} {}", ended.code, id["id"]) };
    Ok((inside || ended.code == 0).then(|| format!("power cut, the run ended after {took:.0?} with {end}")))
}

/// A plain run brings the lab to Ready, the next one changes nothing, and nothing is there that was not there before.
fn recovered(world: &World, shape: &Shape, foreign: &Foreign) -> Proof {
    let run = world.provision("again")?;
    run.succeeded()?;
    let ready: Ready = run.json()?;
    ensure!(ready.nodes.len() == 2 && ready.nodes.iter().all(|n| n.ready), "not Ready: {:?}", ready.nodes);
    foreign.untouched(world)?;
    life::merged(world, &ready)?;
    let settled = Instant::now() + Duration::from_secs(30);
    let whole = Instant::now() + world.left();
    world.set_deadline(settled.min(whole));
    world.until("nothing to be left over", || Shape::look(world)?.same_as(shape))?;
    world.set_deadline(whole);
    let again = world.provision("third")?;
    again.succeeded()?;
    let third: Ready = again.json()?;
    ensure!(third.changed == 0, "the third run changed {:?}", third.changes);
    Ok(format!("Ready in {:.0} s, nothing left over, the next run changed nothing", run.took.as_secs_f32()))
}

/// No lab; the user's own kubeconfig as it was.
fn clean(world: &World, foreign: &Foreign) -> Proof {
    let text = if world.lab_dir().exists() { life::destroy(world)? } else { "nothing to remove".into() };
    foreign.kubeconfig_as_before(world)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_every_case() {
        let all = || (0..18).map(|n| Case::Kill(n.to_string())).collect::<Vec<_>>();
        let mut seen: Vec<String> =
            (7..11).flat_map(|turn| chosen(all(), &Asked::default(), turn)).map(|c| c.name()).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 18);
        assert!(chosen(all(), &Asked::default(), 9).len() <= SLICE);
    }

    #[test]
    fn words_are_understood() {
        let asked = Asked::parse(&["--seed", "7", "--step", "install/first"]).unwrap();
        assert_eq!((asked.seed, asked.step.as_deref(), asked.full), (Some(7), Some("install/first"), false));
        assert!(Asked::parse(&["--full"]).unwrap().full && Asked::parse(&["--seed", "x"]).is_none());
    }
}
