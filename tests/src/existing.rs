//! A host that is there already becomes a node, and is left as it was. It is a system container that qvmrun runs; once it
//! has a user, a key and a port of its own, airlab hears of it only by the lab file's `machine = "ssh"`.

use std::fs;
use std::time::Duration;

use machine::Cmd;

use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure, fail, tail};
use crate::report::Report;
use crate::world::World;
use crate::{life, trouble};

const LAB: &str = include_str!("../labs/existing.toml");
const ADDRESS: &str = "10.79.0.31";
const MACHINE: &str = "cpus = 1\nmemory_mib = 1024";
/// Somebody's login, a second port, and nothing of airlab's.
const SOMEBODYS: &str = "set -e
useradd --create-home --shell /bin/bash ops
cd ~ops
install -d -m 700 -o ops .ssh
cat > .ssh/authorized_keys
chown ops .ssh/authorized_keys
echo 'ops ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops
printf 'Port 22\\nPort 2222\\n' > /etc/ssh/sshd_config.d/00-ports.conf
systemctl disable --quiet --now sync-time.timer sync-time.service
rm -rf /etc/systemd/system/sync-time* /usr/local/sbin/sync-time /etc/airlab /usr/local/share/ca-certificates/airlab-*
update-ca-certificates --fresh > /dev/null 2>&1
systemctl daemon-reload
systemctl restart ssh";
/// Everything that a node gets lies below these.
const LOOK: &str = "find /etc /usr/local /var/lib/rancher /var/lib/cni /var/lib/kubelet -xdev -type f 2> /dev/null |
  grep -v -e /etc/ssl/certs/ca-certificates.crt -e /etc/resolv.conf | sort | xargs -d '\\n' sha256sum";

/// Another text after every start of the host.
const BOOT: &str = "cat /proc/sys/kernel/random/boot_id; systemctl show --property=UserspaceTimestamp";

/// What a k3s of somebody else has on its disk.
const THEIRS: &str = "mkdir -p /etc/rancher/k3s; echo theirs > /etc/rancher/k3s/config.yaml";

struct Host {
    world: World,
    host_key: String,
}

pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let minutes = Duration::from_secs(600);
    let world = World::new("mixed", Some(&LAB.replace("NODE", MACHINE)))?;
    let mut seen = None;
    report.check("existing/somebodys-host", minutes, &world, || {
        let run = world.watch(&world.airlab("provision", &["--yes", "--until", "install"]), "machines")?;
        run.succeeded()?;
        let host_key = somebodys(&world)?;
        let before = root(&world, LOOK)?;
        let text = format!("a user, a port, {host_key}, {} files", before.lines().count());
        seen = Some((host_key, before));
        Ok(text)
    });
    let Some((host_key, before)) = seen else { return life::destroy(&world).map(drop) };
    let host = Host { world, host_key };
    host.lab(&host.host_key)?;
    let world = &host.world;
    report.check("existing/the-plan-makes-no-machine-for-it", minutes, world, || host.plan());
    report.check("existing/another-host-key-changes-nothing", minutes, world, || host.other_key(&before));
    report.check("existing/a-host-that-cannot-be-a-node-is-named", minutes, world, || host.unfit(&before));
    let mut ready = None;
    report.check("existing/joins", minutes, world, || {
        let run = world.provision("joins")?;
        run.succeeded()?;
        let answer: Ready = run.json()?;
        let names: Vec<&str> = answer.nodes.iter().filter(|n| n.ready).map(|n| n.name.as_str()).collect();
        ensure!(names == ["master", "box"], "Ready are {names:?}");
        let text = format!("{} Ready; {} changes", names.join(", "), answer.changed);
        ready = Some(answer);
        Ok(text)
    });
    if let Some(ready) = &ready {
        report.check("existing/again-changes-nothing", minutes, world, || {
            let run = world.provision("again")?;
            run.succeeded()?;
            let again: Ready = run.json()?;
            ensure!(again.changed == 0, "changed {:?}", again.changes);
            Ok(format!("0 changes in {:.0} s", run.took.as_secs_f32()))
        });
        report.check("existing/status", minutes, world, || trouble::healthy(world, ready));
        report.check("existing/ssh", minutes, world, || {
            let who = world.on("box", &["id", "-un"])?.text();
            ensure!(who == "ops", "logged in as {who}");
            Ok("airlab ssh logs in as the host's own user".into())
        });
        report.check("existing/down-and-up", minutes, world, || host.down_and_up(ready));
        report.check("existing/removed-and-left-as-it-was", minutes, world, || host.removed(&before));
        report.check("existing/added", minutes, world, || host.added());
        report.check("existing/rebuilt", minutes, world, || host.rebuilt());
        report.check("existing/left-as-it-was-by-destroy", minutes, world, || host.destroyed(&before));
        report.check("existing/as-a-server", minutes, world, || host.as_a_server(&before));
    }
    fs::write(world.scratch("lab.toml"), LAB.replace("NODE", MACHINE))?;
    report.check("existing/destroy", Duration::from_secs(240), world, || life::destroy(world));
    Ok(())
}

/// Makes the machine somebody's; gives back its public host key.
fn somebodys(world: &World) -> Result<String, Fail> {
    let key = world.scratch("ops");
    let keygen = Cmd::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "ops", "-f"]).arg(&key);
    world.ok(keygen)?;
    let public = fs::read(key.with_extension("pub"))?;
    world.ok(world.airlab("ssh", &["box", "--", "sudo", "sh", "-c", SOMEBODYS]).stdin(public))?;
    let line = world.root_on("box", "cat /etc/ssh/ssh_host_ed25519_key.pub")?.text();
    let words: Vec<&str> = line.split(' ').take(2).collect();
    let known = format!("[{ADDRESS}]:2222 {}\n", words.join(" "));
    fs::write(world.scratch("ops_known_hosts"), known)?;
    Ok(words.join(" "))
}

/// Runs a line as root on it, past the product: with the host's own `ssh` and the user's key.
fn root(world: &World, line: &str) -> Result<String, Fail> {
    let at = |name: &str| world.scratch(name).display().to_string();
    let known = format!("UserKnownHostsFile={}", at("ops_known_hosts"));
    let (key, target) = (at("ops"), format!("ops@{ADDRESS}"));
    let line = format!("sudo sh -c '{}'", line.replace('\'', "'\\''"));
    let words = ["-F", "none", "-i", &key, "-o", &known, "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR"];
    let ssh = [&["--", "ssh"], &words[..], &["-p", "2222", &target, &line]].concat();
    Ok(world.ok(world.airlab("run", &ssh))?.text())
}

impl Host {
    /// Writes the lab file in which it is an existing host with this key.
    fn lab(&self, host_key: &str) -> Result<(), Fail> {
        Ok(fs::write(self.world.scratch("lab.toml"), LAB.replace("NODE", &self.node_lines(host_key)))?)
    }

    fn node_lines(&self, host_key: &str) -> String {
        let key = self.world.scratch("ops").display().to_string();
        format!("machine = \"ssh\"\nport = 2222\nuser = \"ops\"\nhost_key = \"{host_key}\"\nkey = \"{key}\"")
    }

    fn same(&self, before: &str) -> Result<usize, Fail> {
        let after = root(&self.world, LOOK)?;
        let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
        let differ = new.iter().filter(|l| !old.contains(l)).chain(old.iter().filter(|l| !new.contains(l)));
        let differ: Vec<&str> = differ.map(|l| l.split("  ").last().unwrap_or_default()).collect();
        ensure!(differ.is_empty(), "not as before: {}", differ.join(", "));
        ensure!(new.len() > 100, "only {} files: looked at the wrong place", new.len());
        Ok(new.len())
    }

    fn plan(&self) -> Proof {
        let text = self.world.ok(self.world.airlab("provision", &["--plan"]))?.text();
        let made = text.lines().find(|l| l.contains("box.vmx") || l.contains("box/"));
        ensure!(made.is_none(), "the plan makes a machine: {made:?}");
        let said = text.lines().find(|l| l.contains("ops@") && l.contains("no machine is made"));
        let Some(said) = said else { fail!("the plan does not speak of it: {}", tail(&text, 30)) };
        Ok(said.trim().to_owned())
    }

    /// A provision that must fail with this id and leave the host as it is.
    fn refused(&self, id: &str, before: &str) -> Result<String, Fail> {
        let out = self.world.run(self.world.airlab("provision", &["--yes"]))?;
        let said = out.error_text();
        ensure!(out.code != 0 && said.contains(id), "code {}: {}", out.code, tail(&said, 5));
        let files = self.same(before)?;
        let why = said.lines().find(|l| l.contains("is there already")).unwrap_or_default().trim();
        Ok(format!("{id}, {files} files as before {why}").trim().to_owned())
    }

    fn other_key(&self, before: &str) -> Proof {
        let other = self.world.scratch("other");
        self.world.ok(Cmd::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&other))?;
        self.lab(fs::read_to_string(other.with_extension("pub"))?.trim())?;
        let said = self.refused("AL-SSH-002", before);
        self.lab(&self.host_key)?;
        said
    }

    /// No default route, and something of somebody else's k3s.
    fn unfit(&self, before: &str) -> Proof {
        let route = root(&self.world, "ip route show default")?;
        root(&self.world, &format!("ip route del default; {THEIRS}"))?;
        let theirs = root(&self.world, LOOK)?;
        let said = self.refused("AL-RUN-030", &theirs);
        root(&self.world, &format!("ip route add {route}; rm -r /etc/rancher"))?;
        let said = said?;
        ensure!(said.contains("/etc/rancher is there already") && said.contains("no default route"), "{said}");
        self.same(before)?;
        Ok(said)
    }

    fn node(&self, verb: &str, words: &[&str]) -> Cmd {
        let cmd = self.world.cmd(self.world.program("airlab")).args(["node", verb]).args(words);
        cmd.arg("--lab").arg(self.world.scratch("lab.toml"))
    }

    /// The host runs in this lab's own network, which therefore does not go down: all that comes before it does.
    fn ended_at_the_network(&self, cmd: Cmd) -> Result<String, Fail> {
        let out = self.world.run(cmd)?;
        let said = format!("{}\n{}", out.text(), out.error_text());
        ensure!(out.code != 0 && said.contains("box.vmx"), "code {}: {}", out.code, tail(&said, 5));
        Ok(said)
    }

    fn down_and_up(&self, ready: &Ready) -> Proof {
        let up = root(&self.world, BOOT)?;
        let said = self.ended_at_the_network(self.world.airlab("down", &[]))?;
        let Some(told) = said.lines().find(|l| l.contains("box: k3s stopped; the host itself stays on")) else {
            fail!("`down` does not speak of the host: {}", tail(&said, 10))
        };
        let line = "systemctl is-active k3s-agent.service; pgrep -c -f [c]ontainerd-shim; true";
        let running = root(&self.world, line)?;
        ensure!(running.lines().eq(["inactive", "0"]), "after `down`: {running}");
        let run = self.world.watch(&self.world.airlab("up", &["--output", "json"]), "up")?;
        run.succeeded()?;
        ensure!(run.stdout.contains("box: k3s started"), "`up` does not speak of the host: {}", run.stdout);
        ensure!(root(&self.world, BOOT)? == up, "the host was restarted");
        trouble::healthy(&self.world, ready)?;
        Ok(format!("{}; Ready again after {:.0} s", told.trim(), run.took.as_secs_f32()))
    }

    /// The lab file is without it, and `node add` writes it there as the removed one was.
    fn added(&self) -> Proof {
        let file = self.world.scratch("lab.toml");
        let old = fs::read_to_string(&file)?;
        let key = self.world.scratch("ops").display().to_string();
        let words = ["box", "--address", ADDRESS, "--user", "ops", "--port", "2222", "--host-key", &self.host_key];
        let add = self.node("add", &words).args(["--key", &key, "--output", "json"]);
        let run = self.world.watch(&add, "added")?;
        run.succeeded()?;
        let answer: Ready = run.json()?;
        ensure!(answer.nodes.iter().filter(|n| n.ready).count() == 2, "not Ready: {:?}", answer.changes);
        let new = fs::read_to_string(&file)?;
        let Some(table) = new.strip_prefix(&old) else { fail!("other lines of the lab file changed: {new}") };
        ensure!(table.contains("machine = \"ssh\""), "{table}");
        Ok(format!("{} lines; Ready after {:.0} s", table.lines().count(), run.took.as_secs_f32()))
    }

    /// Everything of ours is taken off and comes anew; the host itself goes on running, and keeps what is its user's.
    fn rebuilt(&self) -> Proof {
        let (old, users) = ("/var/lib/rancher/k3s/agent/of-the-old-node", "of-the-user");
        root(&self.world, &format!("touch {old} ~ops/{users}"))?;
        let up = root(&self.world, BOOT)?;
        let run = self.world.watch(&self.node("rebuild", &["box", "--output", "json"]), "rebuilt")?;
        run.succeeded()?;
        let answer: Ready = run.json()?;
        ensure!(answer.nodes.iter().filter(|n| n.ready).count() == 2, "not Ready: {:?}", answer.changes);
        let there = root(&self.world, &format!("cd ~ops; ls {old} {users} 2>/dev/null; true"))?;
        ensure!(there == users, "there is {there:?} after it");
        ensure!(root(&self.world, BOOT)? == up, "the host was restarted");
        Ok(format!("{} changes; Ready again after {:.0} s", answer.changed, run.took.as_secs_f32()))
    }

    /// Ours goes; a second time there is nothing of ours, and what is there by then is somebody's.
    fn destroyed(&self, before: &str) -> Proof {
        let destroy = || self.ended_at_the_network(self.world.airlab("destroy", &["--yes"]));
        let said = destroy()?;
        ensure!(!said.contains("left as it is"), "{said}");
        let files = self.same(before)?;
        root(&self.world, THEIRS)?;
        let theirs = root(&self.world, LOOK)?;
        let said = destroy()?;
        ensure!(said.contains("box: nothing of this lab is on it; left as it is"), "{said}");
        self.same(&theirs)?;
        Ok(format!("{files} files as before the first run; then somebody's k3s, left as it is"))
    }

    /// The other way round: the control plane on the host, a machine of ours as its agent.
    fn as_a_server(&self, before: &str) -> Proof {
        root(&self.world, "rm -r /etc/rancher")?;
        self.same(before)?;
        let (server, agent) = ("role = \"server\"", "role = \"agent\"");
        let turned = LAB.replace(server, "ROLE").replace(agent, server).replace("ROLE", agent);
        fs::write(self.world.scratch("lab.toml"), turned.replace("NODE", &self.node_lines(&self.host_key)))?;
        let run = self.world.provision("server")?;
        run.succeeded()?;
        let ready: Ready = run.json()?;
        let server = ready.server()?;
        ensure!(server.name == "box" && ready.nodes.iter().filter(|n| n.ready).count() == 2, "{:?}", ready.changes);
        trouble::healthy(&self.world, &ready)?;
        let unit = root(&self.world, "systemctl is-active k3s.service; true")?;
        ensure!(unit == "active", "k3s.service on the host is {unit}");
        self.ended_at_the_network(self.world.airlab("destroy", &["--yes"]))?;
        let files = self.same(before)?;
        Ok(format!("Ready after {:.0} s; {files} files as before after destroy", run.took.as_secs_f32()))
    }

    fn removed(&self, before: &str) -> Proof {
        self.world.ok(self.node("remove", &["box"]))?;
        let file = fs::read_to_string(self.world.scratch("lab.toml"))?;
        ensure!(!file.contains("name = \"box\""), "still in the lab file");
        let running =
            root(&self.world, "systemctl is-active k3s-agent.service sync-time.timer; pgrep -c kubelet; true")?;
        ensure!(!running.lines().any(|l| l == "active"), "still running: {running}");
        Ok(format!("{} files as before the first run", self.same(before)?))
    }
}
