//! `cargo xtask bench vmrun`: thirty machines with a vmrun that takes a second for each call.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use machine::{Cmd, Local};
use steps::chain;

use crate::lab::target;
use crate::provision::cargo;
use crate::{Ended, say};

const MACHINES: u32 = 30;
const FEW: u32 = 3;
/// As many as the usual lab has nodes.
const PARALLEL: u32 = 3;
/// Seconds for the list before and the list after, which no parallelism can take away.
const LOOKS: f64 = 2.0;
/// Wall time against what so many calls of a second take side by side, and memory against that with few machines.
const GOALS: (f64, f64) = (1.3, 1.1);

/// A vmrun whose machines are files; every call takes a second.
const FAKE: &str = r#"#!/bin/sh
sleep 1
echo "$*" >> "$BENCH_HOME/calls"
shift 2
case "$1" in
list) cd "$BENCH_HOME/on" && set -- * && [ -e "$1" ] || shift
  echo "Total running VMs: $#"; for name; do echo "$BENCH_HOME/$name"; done ;;
start) touch "$BENCH_HOME/on/${2##*/}" ;;
esac
"#;

struct Figures {
    seconds: f64,
    rss_kib: f64,
    calls: usize,
}

/// Starts thirty machines by `vmware start`, then three. Exit code 1 when a goal is missed.
pub(crate) fn run() -> Ended {
    let build = cargo().args(["build", "--locked", "--quiet", "-p", "vmware-cli"]);
    if Local.take_over(&build.timeout(Duration::from_secs(3600))).map_err(|e| chain(&e))? != 0 {
        return Ok(1);
    }
    let home = target().join("xtask").join(format!("bench-vmrun-{}", std::process::id()));
    let ended = measure(&home.join("many"), MACHINES).and_then(|many| Ok((many, measure(&home.join("few"), FEW)?)));
    let _ = std::fs::remove_dir_all(&home);
    let (many, few) = ended?;
    let starts = f64::from(MACHINES.div_ceil(PARALLEL));
    let ideal = starts + LOOKS;
    let (time, memory) = (many.seconds / ideal, many.rss_kib / few.rss_kib);
    say::result(&format!(
        "{MACHINES} machines, {PARALLEL} calls at a time, a second each: {} calls in {:.2} s\n\
         ideal {ideal:.0} s: a look, {starts:.0} rounds of starts, a look; ratio {time:.2}  (goal: at most {:.1}); against the starts \
         alone {:.2}\n\
         memory {:.0} KiB, with {FEW} machines {:.0} KiB  ratio {memory:.2}  (goal: at most {:.1})\n",
        many.calls,
        many.seconds,
        GOALS.0,
        many.seconds / starts,
        many.rss_kib,
        few.rss_kib,
        GOALS.1
    ))?;
    Ok(u8::from(time > GOALS.0 || memory > GOALS.1))
}

/// Wall time and greatest resident memory of `vmware start` on so many machines, as `time` of the host tells.
fn measure(home: &Path, machines: u32) -> Result<Figures, String> {
    let io = |e: std::io::Error| format!("{}: {e}", home.display());
    std::fs::create_dir_all(home.join("on")).map_err(io)?;
    let vmrun = home.join("vmrun");
    machine::write_file(&vmrun, FAKE.as_bytes(), 0o755).map_err(|e| chain(&e))?;
    let vmx: Vec<PathBuf> = (1..=machines).map(|n| home.join(format!("m{n:02}.vmx"))).collect();
    for file in &vmx {
        std::fs::write(file, "config.version = \"8\"\n").map_err(io)?;
    }
    // The kernel's own figure of the program at its end; a shell that waits for it is a page or two beside it.
    let watch = "\"$@\" & child=$!; while kill -0 $child 2>/dev/null; do \
                 grep VmHWM /proc/$child/status > \"$BENCH_HOME/rss.new\" 2>/dev/null && \
                 mv \"$BENCH_HOME/rss.new\" \"$BENCH_HOME/rss\"; sleep 0.05; done; wait $child";
    let cmd = Cmd::new("sh").args(["-c", watch, "sh"]).arg(target().join("debug/vmware")).arg("start");
    let cmd = cmd.arg("--program").arg(&vmrun).arg("--parallel").arg(PARALLEL.to_string()).args(&vmx);
    let start = Instant::now();
    let out = Local.run_ok(&cmd.env("BENCH_HOME", home).timeout(Duration::from_secs(300))).map_err(|e| chain(&e))?;
    let seconds = start.elapsed().as_secs_f64();
    let said = out.text();
    if !said.starts_with(&format!("{machines} started")) {
        return Err(format!("vmware start said: {said}"));
    }
    let rss = std::fs::read_to_string(home.join("rss")).map_err(io)?;
    let rss_kib = rss.split_whitespace().nth(1).and_then(|n| n.parse().ok()).ok_or("no figure of memory")?;
    let calls = std::fs::read_to_string(home.join("calls")).map_err(io)?.lines().count();
    Ok(Figures { seconds, rss_kib, calls })
}
