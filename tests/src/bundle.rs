//! A bundle made where the offline parts are, carried to a host without network and without a cache, damaged on the way,
//! mended, imported, and a lab brought up from it alone.

mod packages;

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::Cmd;
use serde_json::Value;

use crate::island::Island;
use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure};
use crate::report::Report;
use crate::tree::{moves_by_itself, tree};
use crate::world::World;
use crate::{trouble, twice};

const LAB: &str = include_str!("../labs/carried.toml");
const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let home = World::new("demo", None)?;
    report.check("bundle/packages-and-a-program-are-pinned", MINUTE, &home, || packages::pinned(&home));
    let mut made = false;
    report.check("bundle/created-in-parts-from-the-offline-parts", 20 * MINUTE, &home, || {
        let text = create(&home)?;
        made = true;
        Ok(text)
    });
    if !made {
        return Err(Fail("there is no bundle to carry".into()));
    }
    report.check("bundle/again-writes-nothing", 2 * MINUTE, &home, || again(&home));
    report.check("bundle/differential-and-diffed", 2 * MINUTE, &home, || differential(&home));

    let island = Island::new(&home, "192.168.12.0/24")?;
    let enter = island.enter();
    let world = World::new("carried", Some(LAB))?.through(&enter.each_ref().map(String::as_str)).with_its_own_cache();
    carry(&home, &world)?;
    report.check("bundle/a-packet-sent-out-on-purpose-is-counted", MINUTE, &home, || island.counts());
    report.check("bundle/island-has-no-way-out", MINUTE, &home, || island.is_one());
    report.check("bundle/damaged-part-is-refused-before-any-change", 2 * MINUTE, &world, || damaged(&world));
    report.check("bundle/strangers-bundle-is-refused", MINUTE, &world, || stranger(&world));
    report.check("bundle/verified-to-the-last-byte", 2 * MINUTE, &world, || {
        let seen = json(&world, &["verify", "../carried", "--trust", "../bundles.key.pub"])?;
        ensure!(seen["missing"] == 0 && seen["signed_by"].is_string(), "{seen}");
        Ok(format!("{} bytes in {} parts, signed by {}", seen["bytes"], seen["parts"], seen["signed_by"]))
    });
    report.check("bundle/imported-once", 3 * MINUTE, &world, || imported(&world));

    let mut ready = None;
    report.check("bundle/lab-from-the-bundle-alone", 15 * MINUTE, &world, || {
        fs::remove_dir_all(world.cache()).or_else(|e| if world.cache().exists() { Err(e) } else { Ok(()) })?;
        let run = world.provision("first")?;
        run.succeeded()?;
        let answer: Ready = run.json()?;
        ensure!(answer.nodes.len() == 2 && answer.nodes.iter().all(|n| n.ready), "{:?}", answer.nodes);
        ensure!(!answer.stand_ins.is_empty(), "what the bundle says of its stand-ins is lost");
        let kept = tree(&world.cache(), |_| false)?;
        let known = ["/files", "/verdicts.json", "/timings"];
        let other = kept.keys().find(|path| !known.iter().any(|k| path.starts_with(k)));
        ensure!(other.is_none(), "the cache holds {other:?}");
        let text =
            format!("{} nodes Ready in {:.0} s; by {}", answer.nodes.len(), run.took.as_secs_f32(), answer.evidence);
        ready = Some(answer);
        Ok(text)
    });
    if let Some(ready) = &ready {
        report.gained_by(&ready.evidence);
        report.check("bundle/registry-has-the-images", MINUTE, &world, || catalog(&world));
        report.check("bundle/packages-are-on-the-nodes", MINUTE, &world, || packages::on_the_nodes(&world));
        report.check("bundle/kubectl-came-along", MINUTE, &world, || packages::kubectl(&world, ready));
        report.check("bundle/second-provision-changes-nothing", MINUTE, &world, || twice::again(&world, ready));
        report.check("bundle/status", MINUTE, &world, || trouble::healthy(&world, ready));
        report.check("bundle/nodes-asked-our-registry-only", MINUTE, &world, || asked(&world));
        report.check("bundle/air-gap-no-packet-went-out", MINUTE, &home, || island.kept_silent());
        report.check("bundle/a-nodes-packet-out-would-be-counted", MINUTE, &world, || {
            island.counts_nodes(&world, "other")
        });
    }
    report.check("bundle/destroy", 4 * MINUTE, &world, || {
        world.ok(world.airlab("destroy", &["--yes"]))?;
        let left = tree(&world.lab_dir(), moves_by_itself)?;
        ensure!(left.is_empty(), "{} files are left", left.len());
        Ok("the lab's folder is gone".into())
    });
    report.check("bundle/island-is-still-one", MINUTE, &home, || island.is_one());
    Ok(())
}

fn bundle(world: &World, words: &[&str]) -> Cmd {
    world.cmd(world.program("airlab")).arg("bundle").args(words.iter().copied()).args(["--output", "json"])
}

fn json(world: &World, words: &[&str]) -> Result<Value, Fail> {
    Ok(serde_json::from_slice(&world.ok(bundle(world, words))?.stdout)?)
}

const CREATE: [&str; 8] = ["create", "demo-1", "--key", "../bundles.key", "--to", "../stick", "--part-size", "64M"];

fn create(home: &World) -> Proof {
    home.ok(bundle(home, &["key", "../bundles.key"]))?;
    let run = home.watch(&bundle(home, &CREATE), "create")?;
    run.succeeded()?;
    let made: Value = run.json()?;
    let parts = made["parts"].as_array().map_or(0, Vec::len);
    ensure!(parts > 1 && made["changed"] == true, "{made}");
    Ok(format!("{} bytes in {parts} parts in {:.0} s", made["bytes"], run.took.as_secs_f32()))
}

fn again(home: &World) -> Proof {
    let before = tree(&home.scratch("stick"), |_| false)?;
    let made = json(home, &CREATE)?;
    ensure!(made["changed"] == false, "{made}");
    ensure!(tree(&home.scratch("stick"), |_| false)? == before, "files were written");
    Ok(format!("{} files as before", before.len()))
}

fn differential(home: &World) -> Proof {
    let words = ["create", "demo-2", "--key", "../bundles.key", "--to", "../stick2", "--since", "../stick"];
    let made = json(home, &words)?;
    let difference = json(home, &["diff", "../stick", "../stick2"])?;
    ensure!(difference["new_bytes"] == 0 && made["bytes"].as_u64().is_some_and(|b| b < 1 << 20), "{made} {difference}");
    let refused =
        home.run(bundle(home, &["import", "../stick2", "--trust", "../bundles.key.pub", "--store", "../none"]))?;
    let told: Value = serde_json::from_slice(&refused.stdout)?;
    ensure!(told["id"] == "AL-BND-006" && !home.scratch("none").exists(), "{told}");
    Ok(format!("nothing new: {} bytes instead of the whole; alone it is refused", made["bytes"]))
}

/// The stick, and the public key on another way.
fn carry(home: &World, world: &World) -> Result<(), Fail> {
    fs::create_dir_all(world.scratch("carried"))?;
    for entry in fs::read_dir(home.scratch("stick"))? {
        let entry = entry?;
        fs::copy(entry.path(), world.scratch("carried").join(entry.file_name()))?;
    }
    fs::copy(home.scratch("bundles.key.pub"), world.scratch("bundles.key.pub"))?;
    Ok(())
}

fn last_part(world: &World) -> Result<PathBuf, Fail> {
    let files = fs::read_dir(world.scratch("carried"))?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    let number = |path: &Path| path.extension()?.to_str()?.parse::<u32>().ok();
    let last = files.into_iter().filter(|p| number(p).is_some()).max_by_key(|p| number(p));
    last.ok_or_else(|| Fail("there are no parts".into()))
}

/// Turns one bit over, a hundred kilobytes before the end.
fn flip(path: &Path) -> Result<(), Fail> {
    let mut file = fs::File::options().read(true).write(true).open(path)?;
    let at = file.metadata()?.len().saturating_sub(100_000);
    let mut byte = [0];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(&[byte[0] ^ 1])?;
    Ok(file.sync_all()?)
}

fn damaged(world: &World) -> Proof {
    let part = last_part(world)?;
    flip(&part)?;
    let namespaces = world.ok(world.bare("ip").args(["netns", "list"]))?.text();
    let name = part.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let provision = world.airlab("provision", &["--yes", "--output", "json"]);
    let import = bundle(world, &["import", "../carried", "--trust", "../bundles.key.pub", "--store", "../store"]);
    for cmd in [provision, import] {
        let refused = world.run(cmd)?;
        let told: Value = serde_json::from_slice(&refused.stdout)?;
        ensure!(refused.code == 40 && told.to_string().contains(&name), "{} {told}", refused.code);
    }
    // no registry, no machine, no file
    ensure!(!world.lab_dir().exists() && !world.scratch("store").exists(), "something was written");
    ensure!(!world.cache().join("files").exists(), "files were kept");
    ensure!(world.ok(world.bare("ip").args(["netns", "list"]))?.text() == namespaces, "a network was made");
    flip(&part)?;
    Ok(format!("{name} is named, exit code 40; no registry, no machine, no file"))
}

fn stranger(world: &World) -> Proof {
    world.ok(bundle(world, &["key", "../stranger.key"]))?;
    let refused = world.run(bundle(world, &["verify", "../carried", "--trust", "../stranger.key.pub"]))?;
    let told: Value = serde_json::from_slice(&refused.stdout)?;
    ensure!(refused.code == 40 && told["id"] == "AL-BND-002", "{told}");
    Ok(format!("{}", told["why"]))
}

fn imported(world: &World) -> Proof {
    let words = ["import", "../carried", "--trust", "../bundles.key.pub", "--store", "../store"];
    let first = json(world, &words)?;
    let before = tree(&world.scratch("store"), |_| false)?;
    let second = json(world, &words)?;
    ensure!(first["changed"] == true && second["changed"] == false, "{first} {second}");
    ensure!(tree(&world.scratch("store"), |_| false)? == before, "the second import wrote");
    Ok(format!("{} images, {} files; the second import wrote nothing", first["images"], first["files"]))
}

/// What the nodes' containerd asked for, each request with the registry it means: all had from ours.
fn asked(world: &World) -> Proof {
    let text = fs::read_to_string(world.lab_dir().join("logs/registry-access.log"))?;
    let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let meant: Vec<&Value> = lines.iter().filter(|l| l["path"].as_str().is_some_and(|p| p.contains("?ns="))).collect();
    ensure!(!meant.is_empty(), "containerd asked for nothing in {} requests", lines.len());
    let refused = meant.iter().find(|line| line["status"].as_u64().is_none_or(|status| status >= 400));
    ensure!(refused.is_none(), "{refused:?}");
    let mut registries: Vec<&str> =
        meant.iter().filter_map(|l| l["path"].as_str()?.rsplit_once("?ns=")).map(|(_, ns)| ns).collect();
    registries.sort_unstable();
    registries.dedup();
    Ok(format!("{} requests for {}, each answered", meant.len(), registries.join(", ")))
}

fn catalog(world: &World) -> Proof {
    let store = world.lab_dir().join("registry");
    let cmd = world.cmd(world.program("registry-mirror")).arg("verify").arg("--store").arg(store);
    let verified: Value = serde_json::from_slice(&world.ok(cmd.args(["--output", "json"]))?.stdout)?;
    let repositories = world.lab_dir().join("registry/docker/registry/v2/repositories/airlab/page");
    ensure!(repositories.is_dir(), "{} is not there", repositories.display());
    Ok(format!("{} blobs, each as its digest says", verified["blobs"]))
}
