//! `cargo xtask bench ssh`: a hundred agents joined through a hundred OpenSSH servers on loopback, against OpenSSH itself
//! with kept connections and the same commands.

mod replay;
mod servers;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use machine::{Cmd, Local, NODES_AT_ONCE};
use steps::chain;

use self::servers::{Network, Servers};
use super::bars::bars;
use super::median;
use crate::lab::target;
use crate::provision::cargo;
use crate::{Ended, packages, say};

const MANY: usize = 100;
const FEW: usize = 10;
const ROUNDS: usize = 5;
/// Wall time against OpenSSH's, and memory a node against that with few nodes.
const GOALS: (f64, f64) = (1.5, 1.1);

/// What one run of ours took.
struct Ours {
    seconds: f64,
    /// Resident before the first connection, and at the most.
    before_kib: f64,
    most_kib: f64,
}

impl Ours {
    fn whole_kib(&self, nodes: usize) -> f64 {
        self.most_kib / nodes as f64
    }

    fn added_kib(&self, nodes: usize) -> f64 {
        (self.most_kib - self.before_kib) / nodes as f64
    }
}

/// Medians of the rounds.
struct Figures {
    commands: usize,
    ours: f64,
    openssh: f64,
    ratio: f64,
    /// Memory a node, with few and with many of them: of the whole process, and what the connections added to it.
    whole: (f64, f64),
    added: (f64, f64),
}

/// Writes `docs/benchmarks/ssh.md`. Exit code 1 when a goal is missed.
pub(crate) fn run() -> Ended {
    if !packages::root() {
        return Err("the measurement makes mount namespaces: run it as root".into());
    }
    if !Path::new("/usr/sbin/sshd").exists() {
        return Err(format!("openssh-server is needed\nwhat to do:\n  {}", packages::command(&["openssh-server"])));
    }
    let build = ["build", "--locked", "--release", "--quiet", "-p", "k3s-bootstrap", "--example", "join"];
    if Local.take_over(&cargo().args(build).timeout(Duration::from_secs(3600))).map_err(|e| chain(&e))? != 0 {
        return Ok(1);
    }
    let dir = std::env::temp_dir().join(format!("airlab-bench-ssh-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let measured = measure(&dir);
    let _ = std::fs::remove_dir_all(&dir);
    let (text, met) = page(&measured?);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks/ssh.md");
    std::fs::write(&file, &text).map_err(|e| format!("{}: {e}", file.display()))?;
    say::result(&text)?;
    Ok(u8::from(!met))
}

fn measure(dir: &Path) -> Result<Figures, String> {
    say::line(&format!("{MANY} OpenSSH servers, a root of its own each"));
    let network = Network::new(dir, MANY)?;
    let record = dir.join("record");
    ours(&network, &network.start(MANY)?, Some(&record))?;
    let commands = replay::scripts(&network, &record, MANY)?;
    let (mut many, mut few, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut openssh = || -> Result<(), String> {
            let _servers = network.start(MANY)?;
            peers.push(replay::run(&network, MANY, NODES_AT_ONCE)?);
            Ok(())
        };
        // who goes first has the cold caches
        if round % 2 == 0 {
            openssh()?;
        }
        many.push(ours(&network, &network.start(MANY)?, None)?);
        if round % 2 == 1 {
            openssh()?;
        }
        few.push(ours(&network, &network.start(FEW)?, None)?);
        let (ours, peer) = (many[round].seconds, peers[round]);
        say::line(&format!("round {}: ours {ours:.2} s, OpenSSH {peer:.2} s, ratio {:.2}", round + 1, ours / peer));
    }
    let ratios = many.iter().zip(&peers).map(|(ours, peer)| ours.seconds / peer).collect();
    let median = |values| median(values).unwrap_or(f64::NAN);
    let of = |runs: &[Ours], figure: &dyn Fn(&Ours) -> f64| median(runs.iter().map(figure).collect());
    Ok(Figures {
        commands,
        ours: of(&many, &|run| run.seconds),
        openssh: median(peers),
        ratio: median(ratios),
        whole: (of(&few, &|run| run.whole_kib(FEW)), of(&many, &|run| run.whole_kib(MANY))),
        added: (of(&few, &|run| run.added_kib(FEW)), of(&many, &|run| run.added_kib(MANY))),
    })
}

/// The product's own way: `k3s_bootstrap::ensure_agent` over `machine::Ssh`, measured from outside.
fn ours(network: &Network, _servers: &Servers, record: Option<&PathBuf>) -> Result<Ours, String> {
    let cmd = Cmd::new(target().join("release/examples/join")).arg(&network.dir).args(record);
    let begun = Instant::now();
    let out = Local.run_ok(&cmd.timeout(Duration::from_secs(600))).map_err(|e| chain(&e))?;
    let seconds = begun.elapsed().as_secs_f64();
    let said = out.text();
    let figures: Vec<f64> = said.split(' ').filter_map(|n| n.parse().ok()).collect();
    match figures[..] {
        [before_kib, most_kib, _joined] => Ok(Ours { seconds, before_kib, most_kib }),
        _ => Err(format!("join said: {said}")),
    }
}

/// The page, and whether the goals are met.
fn page(f: &Figures) -> (String, bool) {
    let (whole, added) = (f.whole.1 / f.whole.0, f.added.1 / f.added.0);
    let verdict = |met: bool| if met { "met" } else { "missed" };
    let rows = [
        (f.ratio, GOALS.0, format!("join of {MANY} agents, s | {:.2} | {:.2}", f.openssh, f.ours)),
        (
            whole,
            GOALS.1,
            format!("memory a node at {FEW} and at {MANY}, whole process, KiB | {:.0} | {:.0}", f.whole.0, f.whole.1),
        ),
        (added, GOALS.1, format!("the same, what the connections added, KiB | {:.0} | {:.0}", f.added.0, f.added.1)),
    ];
    let table: String = rows
        .iter()
        .map(|(ratio, goal, row)| format!("| {row} | {ratio:.2} | <= {goal}x | {} |\n", verdict(ratio <= goal)))
        .collect();
    let mut chart = String::new();
    bars(
        &mut chart,
        &format!("join of {MANY} agents, s"),
        &[("OpenSSH, kept connections", f.openssh), ("ours", f.ours)],
    );
    let text = format!(
        "<!-- written by `cargo xtask bench ssh` -->\n# Joining over SSH beside OpenSSH\n\n\
         {MANY} OpenSSH servers on loopback stand for {MANY} nodes, each with a root of its own, `systemctl`, `sudo`, `ip` and\n\
         `journalctl` being small stand-ins. Ours is `k3s_bootstrap::ensure_agent` over `machine::Ssh`, {NODES_AT_ONCE} nodes at a\n\
         time, from no connection to a started agent. OpenSSH sends the same {} commands to each node with the same input,\n\
         as many nodes at a time, over one kept connection a node (`ControlMaster`). Files that a node fetches from the\n\
         registry by itself are no SSH traffic and are left out. {ROUNDS} rounds in turn, servers and clients on one machine; medians.\n\n\
         | | OpenSSH, or at {FEW} | ours, or at {MANY} | ratio | goal | |\n|---|---|---|---|---|---|\n{table}\n```text\n{chart}```\n",
        f.commands
    );
    (text, rows.iter().all(|(ratio, goal, _)| ratio <= goal))
}
