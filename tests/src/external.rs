//! `registry.kind = "external"`: a registry with users, which is somebody else's. A wrong password ends the run before
//! anything is made; with the right one nodes pull by it, and it is nowhere but where it has to be.

use std::fs;
use std::time::Duration;

use machine::{Background, Cmd, Local};
use serde_json::{Value, json};

use crate::bridge::Namespace;
use crate::life;
use crate::objects::pod_on;
use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure};
use crate::report::Report;
use crate::tree::tree;
use crate::world::World;

const LAB: &str = include_str!("../labs/external.toml");
const MINUTE: Duration = Duration::from_secs(60);
const HOST: &str = "192.168.13.1:8443";
const NODE: &str = "192.168.13.10";
const PASSWORD: &str = r#"Korrekt horse"batt\ery: #1"#;
/// The part of it that YAML, JSON and curl's configuration do not write in another way.
const SECRET: &str = "Korrekt horse";
/// `htpasswd -nB -C 5 anna`, with that password.
const USERS: &str = "anna:$2b$05$KsrAG1FPG3.ppJujbNiPs.6P9i.IIuINZocFvY1gKU1ndfOM802vO\n";

/// Somebody's registry; ended with this value.
struct Somebodys(Background);

impl Drop for Somebodys {
    fn drop(&mut self) {
        let _ = Local.run(&Cmd::new("kill").arg(self.0.pid.to_string()));
    }
}

pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let outer = World::new("none", None)?;
    outer.set_deadline(std::time::Instant::now() + MINUTE);
    let namespace = Namespace::new(&outer)?;
    let enter = namespace.enter();
    let world = World::new("guest", Some(LAB))?.through(&enter.each_ref().map(String::as_str));
    let at = |name: &str| world.scratch(name).display().to_string();
    fs::write(world.scratch("lab.toml"), LAB.replace("CA", &at("ca.crt")).replace("LOGINS", &at("logins.json")))?;
    let _somebodys = start(&world)?;

    report.check("external/plan-keeps-the-password", MINUTE, &world, || {
        logins(&world, PASSWORD)?;
        let text = world.ok(world.airlab("provision", &["--plan"]))?.text();
        ensure!(text.contains(&at("logins.json")) && !text.contains(SECRET), "{text}");
        Ok(format!("the plan names {} and no password", at("logins.json")))
    });
    report.check("external/wrong-password-is-one-error-and-makes-nothing", MINUTE, &world, || wrong(&world));
    let mut ready = None;
    report.check("external/provision", 10 * MINUTE, &world, || {
        logins(&world, PASSWORD)?;
        let run = world.provision("first")?;
        run.succeeded()?;
        let answer: Ready = run.json()?;
        ensure!(answer.nodes.len() == 1 && answer.nodes.iter().all(|n| n.ready), "{:?}", answer.nodes);
        ensure!(answer.registry == HOST, "the registry is {}", answer.registry);
        let text = format!("Ready in {:.0} s; by {}", run.took.as_secs_f32(), answer.evidence);
        ready = Some(answer);
        Ok(text)
    });
    if let Some(ready) = &ready {
        report.gained_by(&ready.evidence);
        report.check("external/pods-image-comes-by-the-login", MINUTE, &world, || pulled(&world));
        report.check("external/password-is-where-it-has-to-be-only", MINUTE, &world, || kept(&world));
        report.check("external/second-provision-changes-nothing", MINUTE, &world, || again(&world));
    }
    report.check("external/destroy-leaves-it-alone", 4 * MINUTE, &world, || {
        let text = life::destroy(&world)?;
        let held = fs::read_dir(world.scratch("somebodys/docker/registry/v2/repositories/airlab"))?.count();
        ensure!(held > 1, "it holds {held} repositories");
        Ok(format!("{text}; {held} repositories stay"))
    });
    Ok(())
}

/// A registry with one user and an authority of its own.
fn start(world: &World) -> Result<Somebodys, Fail> {
    world.set_deadline(std::time::Instant::now() + MINUTE);
    let dir = world.scratch("");
    let own = ["-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=somebody"];
    let leaf = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=registry", "-CA", "ca.crt", "-CAkey", "ca.key"];
    let names = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=IP:192.168.13.1"];
    for words in [&own[..], &[&leaf[..], &names].concat()] {
        let openssl = Cmd::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(words.iter().copied());
        Local.run_ok(&openssl.dir(&dir).timeout(MINUTE))?;
    }
    fs::write(dir.join("users"), USERS)?;
    let serve = world.cmd(world.program("registry-mirror")).args(["serve", "--address", "0.0.0.0", "--port", "8443"]);
    let files =
        [("store", "somebodys"), ("cert", "cert.pem"), ("key", "key.pem"), ("log", "asked"), ("htpasswd", "users")];
    let serve = files.iter().fold(serve, |cmd, (key, name)| cmd.arg(format!("--{key}")).arg(dir.join(name)));
    let server = Somebodys(Local.start(&serve, &dir.join("somebodys.log"))?);
    world.until("somebody's registry", || {
        ensure!(server.0.ended().is_none(), "it ended: {}", fs::read_to_string(dir.join("somebodys.log"))?);
        let code =
            world.ok(world.cmd("curl").args(["-sko", "/dev/null", "-w", "%{http_code}"]).arg(url("127.0.0.1")))?;
        ensure!(code.text() == "401", "nobody is answered {}", code.text());
        Ok(())
    })?;
    Ok(server)
}

fn url(host: &str) -> String {
    format!("https://{host}:8443/v2/")
}

/// docker's file of logins, with this password.
fn logins(world: &World, password: &str) -> Result<(), Fail> {
    let auths = json!({"auths": {HOST: {"username": "anna", "password": password}}});
    Ok(fs::write(world.scratch("logins.json"), auths.to_string())?)
}

fn wrong(world: &World) -> Proof {
    logins(world, "Korrekt horse, but another")?;
    let run = world.provision("wrong")?;
    let told: Value = run.json()?;
    ensure!(run.code != 0 && told["id"] == "AL-REG-021", "{}: {told}", run.code);
    let text = told.to_string();
    ensure!(text.contains(HOST) && text.contains("anna"), "{text}");
    let said: String = run.lines.iter().map(|(_, line)| format!("{line}\n")).collect();
    ensure!(!text.contains(SECRET) && !said.contains(SECRET), "{text} {said}");
    let made = fs::read_dir(world.lab_dir())?.collect::<Result<Vec<_>, _>>()?;
    let made: Vec<String> = made.iter().map(|e| e.file_name().display().to_string()).collect();
    ensure!(
        !made.iter().any(|name| ["machines", "seeds", "registry", "pki"].contains(&name.as_str())),
        "made: {made:?}"
    );
    Ok(format!("{} in {:.1} s; the lab's folder holds {}", told["what"], run.took.as_secs_f32(), made.join(", ")))
}

/// A pod whose image is in that registry alone runs, and the registry was asked by containerd on the node.
fn pulled(world: &World) -> Proof {
    world.apply(&pod_on("page", "only"))?;
    world.until_pod_runs("page")?;
    world.delete(&["pod", "page"])?;
    let asked = fs::read_to_string(world.scratch("asked"))?;
    let lines = asked.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let from = |line: &Value| line["remote"].as_str().is_some_and(|r| r.starts_with(&format!("{NODE}:")));
    let ok = |line: &&Value, part: &str| {
        from(line) && line["status"] == 200 && line["path"].as_str().is_some_and(|p| p.contains(part))
    };
    let images = lines.iter().filter(|line| ok(line, "/airlab/page/") && ok(line, "?ns=docker.io")).count();
    let files = lines.iter().filter(|line| ok(line, "/airlab/k3s/blobs/")).count();
    let refused = lines.iter().filter(|line| from(line) && line["status"] == 401).count();
    ensure!(images > 1 && files == 2, "{images} answers to containerd, {files} files of k3s");
    ensure!(refused > 0, "nobody was ever asked for a login");
    Ok(format!("{images} answers to containerd and {files} files of k3s, {refused} times asked who is there"))
}

fn again(world: &World) -> Proof {
    let run = world.provision("again")?;
    run.succeeded()?;
    let again: Ready = run.json()?;
    ensure!(again.changed == 0, "changed {:?}", again.changes);
    Ok(format!("0 changes in {:.0} s", run.took.as_secs_f32()))
}

/// On the node in a file of root alone and what k3s makes of it; on the host in the file of logins alone.
fn kept(world: &World) -> Proof {
    let mode = world.root_on("only", "stat -c '%a %U' /etc/rancher/k3s/registries.yaml")?.text();
    ensure!(mode == "600 root", "registries.yaml: {mode}");
    let look = "grep -rl --devices=skip -e 'Korrekt[ ]horse' / --exclude-dir=proc --exclude-dir=sys 2>/dev/null | \
                xargs -r stat -c '%a %U %n'";
    let there = world.root_on("only", look)?.text();
    let others = there.lines().find(|line| {
        let known = ["/etc/rancher/k3s/registries.yaml", "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"];
        !known.iter().any(|file| *line == format!("600 root {file}"))
    });
    ensure!(others.is_none() && !there.is_empty(), "on the node: {others:?} of {there:?}");
    let found = world.run(Cmd::new("grep").args(["-rlaF", "-e", SECRET, "--exclude=*.vmdk"]).arg(world.work()))?;
    ensure!(found.code == 1, "on the host: {}", found.text());
    let kept = tree(&world.lab_dir(), |_| false)?.len();
    Ok(format!("{} files of the node, none of {kept} in the lab's folder", there.lines().count()))
}
