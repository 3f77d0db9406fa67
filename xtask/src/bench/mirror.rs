//! `cargo xtask bench mirror`: mirror tools against each other, registry to registry, in one run.

mod page;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use machine::{Background, Cmd, Local};
use steps::chain;

use crate::lab::target;
use crate::provision::cargo;
use crate::{Ended, packages, say};

/// Bytes for each tenth of a MiB: the whole set of 1.1 GiB.
const TENTH: u32 = 104_858;
/// References of the set.
const IMAGES: usize = 26;
const LONGEST: Duration = Duration::from_secs(900);

/// A tool and how it copies the list; `{from}`, `{to}`, `{list}`, `{names}`, `{ours}` and `{work}` are replaced.
const TOOLS: &[(&str, &str, &str)] = &[
    ("registry-mirror", "", "{ours} {list} http://{from} http://{to}"),
    ("registry-mirror, digests locked", "", "{ours} {list} http://{from} http://{to} {work}/lock"),
    ("registry-mirror into a store", "", "{ours} {list} http://{from} {work}/store"),
    (
        "skopeo copy, 4 at a time",
        "skopeo",
        "xargs -a {names} -P4 -I% skopeo copy -q --all --src-tls-verify=false --dest-tls-verify=false docker://{from}/% docker://{to}/%",
    ),
    ("crane copy, 4 at a time", "crane", "xargs -a {names} -P4 -I% crane copy --insecure {from}/% {to}/%"),
    (
        "oras cp, 4 at a time",
        "oras",
        "xargs -a {names} -P4 -I% oras cp --no-tty --from-plain-http --to-plain-http {from}/% {to}/%",
    ),
];

/// What one run of a tool cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) wall: f64,
    pub(super) cpu: f64,
    pub(super) rss_mib: f64,
    pub(super) requests: usize,
    pub(super) blob_gets: usize,
}

/// A tool's runs: into an empty registry, and again.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) tool: &'static str,
    pub(super) cold: Cost,
    pub(super) warm: Cost,
}

/// Makes the set, copies it with every tool that is there, writes `docs/bench-mirror.md`. Exit code 1 when a goal is
/// missed. Data is kept in memory where the host has a place for that.
pub(crate) fn run() -> Ended {
    for needed in ["skopeo", "docker-registry"] {
        if Local.run(&Cmd::new("sh").args(["-c", &format!("command -v {needed}")])).map_or(true, |out| out.code != 0) {
            return Err(format!(
                "{needed} is needed\nwhat to do:\n  {}",
                packages::command(&["skopeo", "docker-registry"])
            ));
        }
    }
    let build = ["build", "--locked", "--release", "--quiet", "-p", "registry-mirror", "--example", "mirror"];
    if Local.take_over(&cargo().args(build).timeout(Duration::from_secs(3600))).map_err(|e| chain(&e))? != 0 {
        return Ok(1);
    }
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { target().join("xtask") };
    let work = base.join(format!("airlab-bench-mirror-{}", std::process::id()));
    let ended = measure(&work);
    let _ = std::fs::remove_dir_all(&work);
    let rows = ended?;
    let goals = page::goals(&rows);
    let text = page::render(&rows, &goals);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bench-mirror.md");
    std::fs::write(&file, &text).map_err(|e| format!("{}: {e}", file.display()))?;
    say::result(&text)?;
    Ok(u8::from(goals.iter().any(|goal| !goal.met)))
}

fn measure(work: &Path) -> Result<Vec<Row>, String> {
    let io = |e: std::io::Error| format!("{}: {e}", work.display());
    let (list, names, layout) = (work.join("images.txt"), work.join("names.txt"), work.join("layout"));
    std::fs::create_dir_all(work).map_err(io)?;
    let ours = target().join("release/examples/mirror");
    say::line("the set: 26 references, 84 blobs, 1.1 GiB");
    let call = |args: &[&Path]| {
        let cmd = Cmd::new(&ours).args(args.iter().map(|p| p.as_os_str())).timeout(LONGEST);
        Local.run_ok(&cmd).map(drop).map_err(|e| chain(&e))
    };
    call(&[Path::new("generate"), &layout, Path::new(&TENTH.to_string()), &list])?;
    call(&[&list, &layout, &work.join("from")])?;
    std::fs::remove_dir_all(&layout).map_err(io)?;
    let text = std::fs::read_to_string(&list).map_err(io)?;
    std::fs::write(&names, text.replace("docker.io/", "") + "\n").map_err(io)?;
    let mut from = Registry::start(work, "from")?;
    let mut rows = Vec::new();
    for (tool, program, words) in TOOLS {
        let there = |program: &str| Local.run(&Cmd::new(program).arg("--help")).is_ok();
        if !program.is_empty() && !there(program) {
            say::line(&format!("{tool}: not installed, left out"));
            continue;
        }
        say::line(tool);
        let mut to = Registry::start(work, "to")?;
        let line = words
            .replace("{ours}", &ours.display().to_string())
            .replace("{list}", &list.display().to_string())
            .replace("{names}", &names.display().to_string())
            .replace("{from}", &from.host)
            .replace("{to}", &to.host)
            .replace("{work}", &work.display().to_string());
        let cold = cost(work, &line, &mut from, &mut to)?;
        let warm = cost(work, &line, &mut from, &mut to)?;
        rows.push(Row { tool, cold, warm });
        to.stop(work)?;
    }
    from.stop(work)?;
    Ok(rows)
}

/// One run of a command line, from outside: the shell's own account of CPU time, resident memory of the whole tree
/// every few milliseconds, requests from the registries' logs.
fn cost(work: &Path, line: &str, from: &mut Registry, to: &mut Registry) -> Result<Cost, String> {
    let (cpu, log) = (work.join("cpu"), work.join("tool.log"));
    let script = format!("{line}; code=$?; times > {}; exit $code", cpu.display());
    let cmd = Cmd::new("bash").args(["-c", &script]).env("HOME", work).timeout(LONGEST);
    let begun = Instant::now();
    let process = Local.start(&cmd, &log).map_err(|e| chain(&e))?;
    let mut peak = 0;
    let code = loop {
        // Quick runs are over before anything is seen of them; the slow ones are what memory is measured on.
        peak = peak.max(rss_kib(process.pid));
        match process.ended() {
            Some(code) => break code,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let wall = begun.elapsed().as_secs_f64();
    if code != 0 {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        return Err(format!("{line}\nended with {code}: {said}"));
    }
    std::thread::sleep(Duration::from_millis(300));
    let (mut requests, blob_gets) = from.requests();
    requests += to.requests().0;
    let cpu = cpu_seconds(&std::fs::read_to_string(&cpu).unwrap_or_default());
    Ok(Cost { wall, cpu, rss_mib: peak as f64 / 1024.0, requests, blob_gets })
}

/// The second line of `times`: what the children took, `0m1.250s 0m0.300s`.
fn cpu_seconds(times: &str) -> f64 {
    let one = |word: &str| {
        let (minutes, seconds) = word.trim_end_matches('s').split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
    };
    times.lines().nth(1).unwrap_or_default().split(' ').filter_map(one).sum()
}

/// Resident memory of everything below a shell; of a single program its own peak.
fn rss_kib(shell: u32) -> u64 {
    let children = |pid: u32| -> Vec<u32> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    };
    let mut all = children(shell);
    let mut next = 0;
    while next < all.len() {
        all.extend(children(all[next]));
        next += 1;
    }
    let field = |pid: u32, key: &str| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    match all[..] {
        [one] => field(one, "VmHWM:"),
        _ => all.iter().map(|pid| field(*pid, "VmRSS:")).sum(),
    }
}

/// A docker-registry on a folder.
struct Registry {
    name: &'static str,
    host: String,
    log: PathBuf,
    /// Bytes of its log that are counted already.
    read: usize,
    process: Background,
}

impl Registry {
    fn start(work: &Path, name: &'static str) -> Result<Self, String> {
        let io = |e: std::io::Error| format!("docker-registry: {e}");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(io)?.port();
        let host = format!("127.0.0.1:{port}");
        let config = format!(
            "version: 0.1\nlog: {{level: info, formatter: json, accesslog: {{disabled: false}}}}\n\
             storage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp: {{addr: \"{host}\"}}\n",
            work.join(name).display()
        );
        let (file, log) = (work.join(format!("{name}.yml")), work.join(format!("{name}.log")));
        std::fs::write(&file, config).map_err(io)?;
        std::fs::write(&log, "").map_err(io)?;
        let process = Local.start(&Cmd::new("docker-registry").arg("serve").arg(&file), &log).map_err(|e| chain(&e))?;
        let begun = Instant::now();
        while std::net::TcpStream::connect(&host).is_err() {
            if begun.elapsed() > Duration::from_secs(20) || process.ended().is_some() {
                return Err(format!(
                    "docker-registry did not start: {}",
                    std::fs::read_to_string(&log).unwrap_or_default()
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { name, host, log, read: 0, process })
    }

    /// Requests since the last time, and GETs of blobs among them.
    fn requests(&mut self) -> (usize, usize) {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let new = String::from_utf8_lossy(text.get(self.read..).unwrap_or_default()).into_owned();
        self.read = text.len();
        // The access log in Apache's form is among the JSON lines.
        let lines: Vec<&str> = new.lines().filter(|l| !l.starts_with('{') && l.contains(" /v2/")).collect();
        (lines.len(), lines.iter().filter(|l| l.contains("\"GET ") && l.contains("/blobs/sha256")).count())
    }

    fn stop(self, work: &Path) -> Result<(), String> {
        Local.run_ok(&Cmd::new("kill").arg(self.process.pid.to_string())).map_err(|e| chain(&e))?;
        let begun = Instant::now();
        while self.process.ended().is_none() && begun.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = std::fs::remove_dir_all(work.join(self.name));
        let _ = std::fs::remove_dir_all(work.join("store"));
        Ok(())
    }
}

/// The row of a tool.
pub(super) fn row<'a>(rows: &'a [Row], tool: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.tool == tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_the_childrens() {
        assert_eq!(cpu_seconds("0m0.001s 0m0.002s\n1m1.250s 0m0.250s\n"), 61.5);
    }
}
