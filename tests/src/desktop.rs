//! The user's own case: `labs/desktop.toml` against a vmrun that answers as Workstation's does, from nothing to Ready.
//!
//! The lab file is the one that is shipped; only the paths of files (and the installer's hash, which belongs to a file)
//! are put where such files exist here. Its network is there before, as VMnet1 is on a desktop, and airlab runs in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::life;
use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::{Report, say};
use crate::tree::{differences, moves_by_itself, tree};
use crate::world::World;

const LAB: &str = include_str!("../../labs/desktop.toml");

/// Paths of the shipped file by their key, and where the same lies here.
struct Files {
    vms: String,
    iso: String,
    iso_sha256: String,
    k3s: String,
    airgap: String,
    images: String,
}

impl Files {
    /// The offline parts as a person would have put them in place.
    fn place(scratch: &Path) -> Result<Self, Fail> {
        let spec = demolab::Spec { cache: demolab::default_cache() };
        let parts = demolab::build(&spec, &steps::Silent).map_err(|e| Fail(format!("the offline parts: {e}")))?;
        let (put, images) = (scratch.join("files"), scratch.join("files/images"));
        fs::create_dir_all(&images)?;
        for (_, archive) in &parts.images {
            own(archive, &images)?;
        }
        let shown = |path: &Path| path.display().to_string();
        let iso = own(&parts.installer_iso, &put)?;
        Ok(Self {
            vms: shown(&scratch.join("vms")),
            iso_sha256: sha256(&iso)?,
            iso: shown(&iso),
            k3s: shown(&own(&parts.k3s, &put)?),
            airgap: shown(&own(&parts.airgap_images, &put)?),
            images: shown(&images),
        })
    }

    /// The shipped lab file with these files in it, and which keys were changed.
    fn lab(&self) -> Result<(String, Vec<&'static str>), Fail> {
        let values = [
            ("folder", &self.vms),
            ("iso", &self.iso),
            ("iso_sha256", &self.iso_sha256),
            ("k3s", &self.k3s),
            ("airgap", &self.airgap),
            ("images", &self.images),
        ];
        let mut text = String::new();
        let mut changed = Vec::new();
        for line in LAB.lines() {
            let key = line.split('=').next().unwrap_or_default().trim();
            // `k3s` is a version too, in another table; a path or a hash is told by its value.
            let file = line.contains(r"C:\") || key == "iso_sha256";
            match values.iter().find(|(name, _)| file && *name == key) {
                Some((name, value)) => {
                    text.push_str(&format!("{name} = '{value}'\n"));
                    changed.push(*name);
                }
                None => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        if changed.len() != values.len() {
            fail!("of the shipped lab file only {changed:?} were found")
        }
        Ok((text, changed))
    }
}

/// The file in a folder of ours: the cache drops parts when they are built anew.
pub(crate) fn own(part: &Path, folder: &Path) -> Result<PathBuf, Fail> {
    let path = folder.join(part.file_name().unwrap_or_default());
    if fs::hard_link(part, &path).is_err() {
        fs::copy(part, &path)?;
    }
    Ok(path)
}

fn sha256(path: &Path) -> Result<String, Fail> {
    use sha2::Digest;
    use std::io::Read;
    let (mut file, mut hash, mut part) = (fs::File::open(path)?, sha2::Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect()),
            n => hash.update(&part[..n]),
        }
    }
}

pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let plain = World::new("desktop", Some(LAB))?;
    plain.set_deadline(Instant::now() + Duration::from_secs(1800));
    let home = plain.scratch("workstation");
    fs::create_dir_all(&home)?;
    let files = Files::place(&plain.scratch(""))?;
    let (lab, changed) = files.lab()?;
    fs::write(plain.scratch("lab.toml"), &lab)?;
    say(&format!("     labs/desktop.toml, with other values for {} and for nothing else", changed.join(", ")));

    let set = |name: &str, value: &Path| format!("{name}={}", value.display());
    let vmrun = plain.program("workstation-vmrun");
    let words = [set("QVMRUN_HOME", &home), set("WORKSTATION_HOME", &home), set("AIRLAB_VMRUN", &vmrun)];
    let qvmrun = plain.program("qvmrun").display().to_string();
    let net =
        |args: &[&str]| plain.ok(plain.bare("env").args(&words).args([&qvmrun, "net"]).args(args.iter().copied()));
    net(&["up", "192.168.6.1/24"])?;
    let mut inside: Vec<&str> = vec!["env"];
    inside.extend(words.iter().map(String::as_str).chain([qvmrun.as_str(), "net", "exec", "--"]));
    let world = plain.through(&inside);

    checks(report, &world, &home, Path::new(&files.vms));
    report.check("desktop/nothing-left", Duration::from_secs(60), &world, || {
        world.ok(world.bare("env").args(&words).args([&qvmrun, "net", "down"]))?;
        let left = tree(Path::new(&files.vms), |_| false)?;
        let names: Vec<&String> = left.keys().collect();
        ensure!(names.is_empty(), "machine files: {names:?}");
        Ok("no machine, no machine file, no network".into())
    });
    Ok(())
}

fn checks(report: &mut Report, world: &World, home: &Path, vms: &Path) {
    let mut ready = None;
    let mut planned = BTreeSet::new();
    report.check("desktop/plan", Duration::from_secs(30), world, || {
        planned = plan(world)?;
        Ok(format!("{} different vmrun calls on paper", planned.len()))
    });
    report.check("desktop/provision", Duration::from_secs(25 * 60), world, || {
        let run = world.provision("first")?;
        run.succeeded()?;
        let answer: Ready = run.json()?;
        ensure!(answer.nodes.len() == 3 && answer.nodes.iter().all(|n| n.ready), "nodes {:?}", answer.nodes);
        let took = run.took.as_secs_f32();
        let text = format!(
            "3 nodes Ready in {took:.0} s, registry {}; the product believes in {}; it talked to a vmrun of ours with \
             recorded answers, the nodes are containers",
            answer.registry, answer.evidence
        );
        ready = Some(answer);
        Ok(text)
    });
    let Some(ready) = ready else {
        report.check("desktop/destroy", Duration::from_secs(180), world, || life::destroy(world));
        return;
    };
    report.check("desktop/every-call-was-planned", Duration::from_secs(10), world, || {
        let calls = calls(home)?;
        let other: Vec<&Vec<String>> = calls.iter().filter(|c| !planned.contains(*c)).collect();
        ensure!(other.is_empty(), "not in the plan: {other:?}");
        let made: BTreeSet<&Vec<String>> = calls.iter().collect();
        let never: Vec<&Vec<String>> = planned.iter().filter(|c| !made.contains(c)).collect();
        ensure!(never.is_empty(), "planned and never made: {never:?}");
        Ok(format!(
            "{} calls of {} kinds, all of them as the plan printed them, none left out",
            calls.len(),
            made.len()
        ))
    });
    report.check(
        "desktop/live-drives-are-empty-although-the-vmx-says-connected",
        Duration::from_secs(10),
        world,
        || {
            for node in &ready.nodes {
                let vmx = vms.join("desktop").join(&node.name).join(format!("{}.vmx", node.name));
                let machine = vmware::Vmx::load(&vmx).map_err(|e| Fail(e.to_string()))?;
                ensure!(machine.is_true("sata0:1.startConnected"), "{}: the stand-in wrote the .vmx", node.name);
                ensure!(machine.get(".encoding") == Some("windows-949"), "{}: not rewritten at power on", node.name);
            }
            Ok("as with Workstation, only the running machines know".into())
        },
    );
    report.check("desktop/second-changes-nothing", Duration::from_secs(120), world, || second(world, home, vms));
    report.check("desktop/status", Duration::from_secs(60), world, || crate::trouble::healthy(world, &ready));
    report.check("desktop/destroy", Duration::from_secs(240), world, || life::destroy(world));
    report.check("desktop/destroy-took-the-machines", Duration::from_secs(30), world, || {
        let last = world.ok(world.cmd(world.program("workstation-vmrun")).args(["-T", "ws", "list"]))?.text();
        ensure!(last.contains("Total running VMs: 0"), "{last}");
        Ok("Total running VMs: 0".into())
    });
}

/// The words of every vmrun call a plan names.
fn plan(world: &World) -> Result<BTreeSet<Vec<String>>, Fail> {
    let out = world.ok(world.airlab("provision", &["--plan", "--output", "json"]))?;
    let plan: serde_json::Value = serde_json::from_slice(&out.stdout).map_err(|e| Fail(e.to_string()))?;
    let stages = plan["stages"].as_array().into_iter().flatten();
    let actions = stages.flat_map(|s| s["actions"].as_array().into_iter().flatten());
    let argv = actions.filter(|a| a["action"] == "run").map(|a| {
        let words = a["argv"].as_array().into_iter().flatten();
        words.skip(1).map(|w| w.as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    });
    let calls: BTreeSet<Vec<String>> = argv.collect();
    ensure!(calls.iter().any(|c| c.iter().any(|w| w == "start")), "no start in the plan: {calls:?}");
    Ok(calls)
}

/// The calls so far, as the stand-in wrote them down.
fn calls(home: &Path) -> Result<Vec<Vec<String>>, Fail> {
    let text = fs::read_to_string(home.join("calls.log"))?;
    text.lines()
        .filter(|l| l.starts_with('['))
        .map(|l| serde_json::from_str(l).map_err(|e| Fail(e.to_string())))
        .collect()
}

fn second(world: &World, home: &Path, vms: &Path) -> Proof {
    let look = || -> Result<_, Fail> {
        Ok((tree(&world.lab_dir(), moves_by_itself)?, tree(vms, moves_by_itself)?, calls(home)?.len()))
    };
    let (lab, machines, before) = look()?;
    let run = world.provision("second")?;
    run.succeeded()?;
    let second: Ready = run.json()?;
    ensure!(second.changed == 0 && second.changes.is_empty(), "changed {}: {:?}", second.changed, second.changes);
    let (lab_now, machines_now, _) = look()?;
    for (was, is) in [(&lab, &lab_now), (&machines, &machines_now)] {
        if let Some(paths) = differences(was, is) {
            fail!("files differ: {paths}");
        }
    }
    let new = calls(home)?.split_off(before);
    let asking = ["list", "readVariable", "checkToolsState"];
    let other = new.iter().find(|words| !words.iter().any(|w| asking.contains(&w.as_str())));
    ensure!(other.is_none(), "a machine was touched: {other:?}");
    Ok(format!("changed 0 in {:.1} s; {} vmrun calls, all of them questions", run.took.as_secs_f32(), new.len()))
}
