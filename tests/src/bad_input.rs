//! Bad input: one three-part error with its id and exit code, before any side effect.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use machine::{Cmd, Local, Output};
use serde_json::Value;

use crate::life;
use crate::proof::{Fail, Proof, ensure, fail, tail};
use crate::report::Report;
use crate::tree::{differences, moves_by_itself, tree};
use crate::world::{MARK, World};

/// The embedded lab, made wrong in one place at a time.
const DEMO: &str = include_str!("../../labs/demo.toml");
const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let swapped = |from: &str, to: &str| DEMO.replacen(from, to, 1);
    let files = |sha: &str| {
        let keys = format!("source = \"files\"\niso = \"some.iso\"\n{sha}k3s = \"k3s\"\nairgap = \"airgap.tar\"\n");
        swapped("source = \"demo\"", &keys)
    };
    let wrong = files(&format!("iso_sha256 = \"{}\"\n", "0".repeat(64)));
    let cases = [
        Case::new("an-unknown-key", swapped("memory_mib", "memory_mb"), 10).id("AL-LAB-003"),
        Case::new("an-address-outside", swapped("192.168.6.12", "192.168.7.12"), 10).id("AL-LAB-006"),
        Case::new("two-nodes-with-one-name", swapped("\"worker2\"", "\"worker1\""), 10).id("AL-LAB-007"),
        Case::new("a-missing-iso", files(""), 40),
        Case::new("a-damaged-iso", files(""), 40).iso(&damaged_iso()),
        Case::new("a-wrong-sha256", wrong, 40).iso(b"not what was asked for"),
    ];
    for case in cases {
        let world = World::new("demo", None)?;
        report.check(&format!("bad-input/{}", case.name), MINUTE, &world, || case.proof(&world));
    }
    let world = World::new("demo", None)?;
    report.check("bad-input/no-free-disk", MINUTE, &world, || no_disk(&world));
    let world = World::new("demo", None)?;
    report.check("bad-input/port-taken", 2 * MINUTE, &world, || port_taken(&world));
    let world = World::new("demo", None)?;
    report.check("bad-input/no-root", MINUTE, &world, || no_root(&world));
    let world = World::new("demo", None)?;
    report.check("bad-input/a-second-run-at-the-same-time", 6 * MINUTE, &world, || at_the_same_time(&world));
    Ok(())
}

struct Case {
    name: &'static str,
    lab: String,
    iso: Option<Vec<u8>>,
    family: i64,
    id: Option<&'static str>,
}

impl Case {
    fn new(name: &'static str, lab: String, family: i64) -> Self {
        Self { name, lab, iso: None, family, id: None }
    }

    fn id(self, id: &'static str) -> Self {
        Self { id: Some(id), ..self }
    }

    fn iso(self, bytes: &[u8]) -> Self {
        Self { iso: Some(bytes.to_vec()), ..self }
    }

    fn proof(&self, world: &World) -> Proof {
        ensure!(self.lab != DEMO, "the lab file is not wrong at all");
        fs::write(world.work().join("airlab.toml"), &self.lab)?;
        fs::write(world.work().join("k3s"), "a program")?;
        fs::write(world.work().join("airgap.tar"), "images")?;
        if let Some(bytes) = &self.iso {
            fs::write(world.work().join("some.iso"), bytes)?;
        }
        let error = refused(world, world.airlab("provision", &["--yes", "--output", "json"]), self.family)?;
        if let Some(id) = self.id {
            ensure!(error.contains(id), "not {id}: {error}");
        }
        Ok(error)
    }
}

/// A volume descriptor where it belongs, and then the end of the file.
fn damaged_iso() -> Vec<u8> {
    let mut bytes = vec![0; 36 * 1024];
    bytes[32768..32775].copy_from_slice(b"\x01CD001\x01");
    bytes
}

/// Runs the command, which must be refused with an exit code of this family and leave no trace.
fn refused(world: &World, cmd: Cmd, family: i64) -> Proof {
    // where a run was not refused in time, its network must not stay
    let _undo = Undo(net(world, &["down"]));
    let before = tree(&world.work(), moves_by_itself)?;
    let calls = fs::read(world.lab_dir().join("provider/calls.log")).unwrap_or_default();
    let out = world.run(cmd)?;
    let text = three_parts(&out, family)?;
    let after = tree(&world.work(), moves_by_itself)?;
    if let Some(paths) = differences(&before, &after) {
        fail!("{text}, but not before any side effect: {paths}");
    }
    let new = fs::read(world.lab_dir().join("provider/calls.log")).unwrap_or_default();
    let new = String::from_utf8_lossy(&new[calls.len().min(new.len())..]).into_owned();
    ensure!(!["start", "stop", "deleteVM"].iter().any(|v| new.contains(v)), "{text}, but machines were touched: {new}");
    Ok(text)
}

/// Id, exit code and what happened, once the error is known to have all its parts.
fn three_parts(out: &Output, family: i64) -> Proof {
    let Ok(error) = serde_json::from_slice::<Value>(&out.stdout) else {
        fail!("exit code {}, no JSON: {} {}", out.code, out.text(), tail(&out.error_text(), 3))
    };
    for part in ["id", "what", "why", "fix"] {
        ensure!(error[part].as_str().is_some_and(|t| !t.is_empty()), "no `{part}`: {error}");
        ensure!(!error[part].as_str().unwrap_or("").contains('{'), "an unfilled name in `{part}`: {error}");
    }
    ensure!(error["id"].as_str().unwrap_or("").starts_with("AL-"), "{error}");
    ensure!(error["exit"] == out.code, "exit code {} is not the one told: {error}", out.code);
    ensure!(i64::from(out.code) / 10 * 10 == family, "exit code {} is not of the {family}s: {error}", out.code);
    let text = |part: &str| error[part].as_str().unwrap_or("").replace('\n', " ");
    Ok(format!("{} exit {}: {}; fix: {}", text("id"), out.code, text("what"), text("fix")))
}

/// Something of the test's own that must go whatever happens.
struct Undo(Cmd);

impl Drop for Undo {
    fn drop(&mut self) {
        let _ = Local.run(&self.0);
    }
}

fn no_disk(world: &World) -> Proof {
    let work = world.work().display().to_string();
    let mount = ["-t", "tmpfs", "-o", "size=64m", "airlab-e2e", &work];
    world.ok(Cmd::new("mount").args(mount).env(MARK, &work))?;
    let _undo = Undo(Cmd::new("umount").args(["--lazy", &work]));
    refused(world, world.airlab("provision", &["--yes", "--output", "json"]), 20)
}

/// The lab's network, asked of its provider directly.
fn net(world: &World, args: &[&str]) -> Cmd {
    let home = format!("QVMRUN_HOME={}", world.lab_dir().join("provider").display());
    let qvmrun = world.program("qvmrun").display().to_string();
    world.bare("env").args([home.as_str(), qvmrun.as_str(), "net"]).args(args.iter().copied())
}

fn port_taken(world: &World) -> Proof {
    let net = |args: &[&str]| net(world, args);
    let _undo = Undo(net(&["down"]));
    fs::create_dir_all(world.lab_dir())?;
    fs::set_permissions(world.lab_dir(), fs::Permissions::from_mode(0o700))?;
    world.ok(net(&["up", "192.168.6.1/24", "--mode", "namespace"]))?;
    let me = std::env::current_exe()?.display().to_string();
    let listener = world.start(&net(&["exec", "--", &me, "listen", "192.168.6.1:5000"]), "listener")?;
    std::thread::sleep(Duration::from_secs(1));
    let refused = refused(world, world.airlab("provision", &["--yes", "--output", "json"]), 50);
    listener.end()?;
    let text = refused?;
    ensure!(text.contains("5000"), "the port is not named: {text}");
    Ok(text)
}

/// The product as somebody who is not root, with programs and folders that person may use.
fn no_root(world: &World) -> Proof {
    let bin = world.scratch("bin");
    fs::create_dir_all(&bin)?;
    for program in ["airlab", "qvmrun", "registry-mirror"] {
        fs::copy(world.program(program), bin.join(program))?;
    }
    for (dir, mode) in [("", 0o755), ("bin", 0o755), ("work", 0o777), ("home", 0o777)] {
        fs::set_permissions(world.scratch(dir), fs::Permissions::from_mode(mode))?;
    }
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let cmd = world.bare("setpriv").args(nobody).arg(bin.join("airlab"));
    refused(world, cmd.args(["provision", "--yes", "--output", "json"]), 20)
}

/// The second of two runs is refused at once; the first goes on, is interrupted, and leaves nothing behind.
fn at_the_same_time(world: &World) -> Proof {
    let mut first = world.start(&world.airlab("provision", &["--yes", "--output", "json"]), "first")?;
    let lock = world.lab_dir().with_extension("lock");
    let begun = world.until("the first run to begin", || {
        ensure!(first.look()?.is_none(), "the first run ended: {}", world.last());
        ensure!(lock.exists() && first.lines().len() > 3, "{} lines", first.lines().len());
        Ok(())
    });
    let second = begun.and_then(|()| {
        let start = std::time::Instant::now();
        let out = world.run(world.airlab("provision", &["--yes", "--output", "json"]))?;
        let text = three_parts(&out, i64::from(out.code) / 10 * 10)?;
        ensure!(out.code != 0 && start.elapsed() < Duration::from_secs(10), "{text} after {:.0?}", start.elapsed());
        ensure!(first.look()?.is_none(), "the first run did not survive the second");
        Ok(text)
    });
    first.interrupt()?;
    let ended = first.wait();
    let gone = life::destroy(world);
    let (text, ended) = (second?, ended?);
    ensure!(ended.code == 90, "interrupted with exit code {}, not 90", ended.code);
    gone?;
    Ok(format!("{text}; the first, interrupted, ended with 90"))
}
