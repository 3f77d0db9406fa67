//! Evidence read from inside every node, and beside it from its machine's files.

use std::time::Duration;

use machine::Cmd;

use crate::cluster::vmx;
use crate::product::{Node, Ready};
use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::Report;
use crate::world::World;

pub(crate) fn checks(report: &mut Report, world: &World, ready: &Ready) {
    let mut each = |name: &str, check: fn(&World, &Ready, &Node) -> Proof| {
        report.check(&format!("inside/{name}"), Duration::from_secs(90), world, || {
            let mut told = Vec::new();
            for node in &ready.nodes {
                let text = check(world, ready, node).map_err(|why| Fail(format!("{}: {why}", node.name)))?;
                told.push(format!("{}: {text}", node.name));
            }
            Ok(told.join("; "))
        });
    };
    each("installed-by-the-word-autoinstall", autoinstall);
    each("root-on-the-vmx-disk", root_disk);
    each("iso-is-gone", iso_gone);
    each("password-and-root-logins-refused", logins_refused);
    each("host-keys-are-ours", host_keys);
    each("registry-by-the-system-trust-store", registry_trust);
    each("markers-with-content-hash", markers);
    each("ops-packages", packages);
    each("clock-before-kubernetes", clock_first);
    each("clock-fails-with-a-wrong-ca", wrong_ca);
    each("kernel-settings-of-the-host-are-out-of-reach", host_is_safe);
    report.check("inside/api-certificate-names", Duration::from_secs(30), world, || api_names(world, ready));
}

fn console(world: &World, node: &Node) -> Result<String, Fail> {
    let bytes = std::fs::read(world.lab_dir().join("nodes").join(&node.name).join("serial0.log"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn autoinstall(world: &World, _: &Ready, node: &Node) -> Proof {
    let text = console(world, node)?;
    let line = text.lines().find(|l| l.split_whitespace().any(|w| w == "autoinstall"));
    let Some(line) = line else { fail!("the console never shows a command line with the word autoinstall") };
    Ok(line.trim().chars().take(100).collect())
}

/// What the node wrote is read back from the disk file its .vmx names, with the node's own file system tools.
fn root_disk(world: &World, _: &Ready, node: &Node) -> Proof {
    let vmx = vmx(world, &node.name)?;
    let disk = ["nvme0:0.fileName", "sata0:0.fileName", "scsi0:0.fileName"].iter().find_map(|k| vmx.get(k));
    let Some(disk) = disk else { fail!("no disk in the .vmx") };
    let extent = world.lab_dir().join("nodes").join(&node.name).join(disk.replace(".vmdk", "-flat.vmdk"));
    let word = format!("written-by-{}-{}", node.name, std::process::id());
    world.root_on(&node.name, &format!("echo {word} > /var/lib/airlab/e2e; sync"))?;
    let image = format!("{}?offset=1048576", extent.display());
    let read = world.bare("debugfs").args(["-R", "cat /var/lib/airlab/e2e", &image]);
    let found = world.until("the word on the disk", || {
        let text = world.ok(read.clone())?.text();
        ensure!(text == word, "debugfs reads {text:?}");
        Ok(text)
    });
    world.root_on(&node.name, "rm /var/lib/airlab/e2e")?;
    found?;
    let system = world.on(&node.name, &["findmnt", "-no", "FSTYPE", "/"])?.text();
    Ok(format!("{system} inside {disk}"))
}

fn iso_gone(world: &World, _: &Ready, node: &Node) -> Proof {
    let vmx = vmx(world, &node.name)?;
    for drive in ["sata0:1", "sata0:2"] {
        let attached = ["present", "startConnected"]
            .iter()
            .all(|key| vmx.get(&format!("{drive}.{key}")).is_some_and(|v| v.eq_ignore_ascii_case("true")));
        ensure!(!attached, "{drive} still has its medium");
    }
    let order = vmx.get("bios.bootOrder").unwrap_or("").to_owned();
    ensure!(order.starts_with("hdd"), "boot order {order:?}");
    let mounted =
        world.root_on(&node.name, "findmnt -n /cdrom; findmnt -n -t iso9660; ls -d /dev/sr* 2>/dev/null; true")?.text();
    ensure!(mounted.is_empty(), "the node still sees {mounted}");
    Ok(format!("drives empty, boot order {order}"))
}

/// ssh of the host inside the lab's network, with nothing of the user's configuration.
pub(crate) fn ssh(world: &World, options: &[&str], target: &str, command: &str) -> Cmd {
    let key = world.lab_dir().join("ssh/id_ed25519").display().to_string();
    let fixed = ["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=8", "-o", "IdentitiesOnly=yes", "-i"];
    let args: Vec<&str> =
        ["--", "ssh"].into_iter().chain(fixed).chain([key.as_str()]).chain(options.iter().copied()).collect();
    world.airlab("run", &args).args([target, command])
}

/// Options that accept whatever host key there is.
pub(crate) const ANY_HOST_KEY: &[&str] = &["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];

fn logins_refused(world: &World, _: &Ready, node: &Node) -> Proof {
    let good = world.run(ssh(world, ANY_HOST_KEY, &format!("airlab@{}", node.address), "true"))?;
    ensure!(good.code == 0, "the lab's own key is refused: {}", good.error_text());
    let root = world.run(ssh(world, ANY_HOST_KEY, &format!("root@{}", node.address), "true"))?;
    ensure!(root.code == 255 && root.error_text().contains("Permission denied"), "root: {}", root.error_text());
    let no_key: Vec<&str> = ANY_HOST_KEY.iter().copied().chain(["-o", "PubkeyAuthentication=no"]).collect();
    let word = world.run(ssh(world, &no_key, &format!("airlab@{}", node.address), "true"))?;
    let said = word.error_text();
    ensure!(word.code == 255 && said.contains("Permission denied (publickey)"), "password: {said}");
    Ok("key in, root refused, only publickey offered".into())
}

fn host_keys(world: &World, _: &Ready, node: &Node) -> Proof {
    let private = world.lab_dir().join("ssh").join(format!("host_{}", node.name));
    let ours = world.ok(world.bare("ssh-keygen").arg("-y").arg("-f").arg(private))?.text();
    let shown = world.ok(world.airlab("run", &["--", "ssh-keyscan", "-T", "8", &node.address]))?.text();
    let keys: Vec<String> = shown.lines().filter(|l| !l.starts_with('#')).map(key_of).collect();
    ensure!(keys == [key_of(&format!("host {ours}"))], "the node shows {keys:?}, we made {ours}");
    Ok("one key, the one made before the first boot".into())
}

/// Type and key of a `host type key comment` line.
fn key_of(line: &str) -> String {
    line.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" ")
}

fn registry_trust(world: &World, ready: &Ready, node: &Node) -> Proof {
    let url = format!("https://{}/v2/", ready.registry);
    let code = world.on(&node.name, &["curl", "-sS", "-m", "8", "-o", "/dev/null", "-w", "%{http_code}", &url])?.text();
    ensure!(code == "200", "{url} answers {code}");
    let (host, port) = ready.registry.split_once(':').ok_or_else(|| Fail("registry without port".into()))?;
    let line = format!(
        "curl -sS -m 8 -o /dev/null --resolve registry.wrong:{port}:{host} https://registry.wrong:{port}/v2/; echo $?"
    );
    let wrong = world.root_on(&node.name, &line)?.text();
    ensure!(wrong == "60", "a name outside the certificate: curl's exit code {wrong}, not 60");
    Ok("200 by the system's trust store, a wrong name refused".into())
}

fn markers(world: &World, _: &Ready, node: &Node) -> Proof {
    let read = |name: &str| world.root_on(&node.name, &format!("cat /var/lib/airlab/{name}")).map(|o| o.text());
    let (installed, ready) = (read("installed")?, read("ready")?);
    ensure!(installed == ready, "installed says {installed}, ready says {ready}");
    ensure!(ready.len() >= 16 && ready.bytes().all(|b| b.is_ascii_hexdigit()), "{ready:?} is no hash");
    let seed = std::fs::read(world.lab_dir().join("nodes").join(&node.name).join("cidata.iso"))?;
    let in_seed = seed.windows(ready.len()).any(|w| w == ready.as_bytes());
    ensure!(in_seed, "the seed volume does not hold {ready}");
    Ok(ready.chars().take(12).collect())
}

fn packages(world: &World, _: &Ready, node: &Node) -> Proof {
    let line = "for p in jq htop ethtool curl; do command -v $p > /dev/null || echo missing $p; done";
    let missing = world.root_on(&node.name, line)?.text();
    ensure!(missing.is_empty(), "{missing}");
    Ok("jq, htop, ethtool, curl".into())
}

fn clock_first(world: &World, _: &Ready, node: &Node) -> Proof {
    let unit = if node.role == "server" { "k3s" } else { "k3s-agent" };
    let time = |unit: &str, what: &str| -> Result<u64, Fail> {
        let text = world.on(&node.name, &["systemctl", "show", "-P", what, unit])?.text();
        text.parse().map_err(|_| Fail(format!("{what} of {unit} is {text:?}")))
    };
    let done = time("sync-time.service", "ExecMainExitTimestampMonotonic")?;
    let started = time(&format!("{unit}.service"), "ExecMainStartTimestampMonotonic")?;
    ensure!(done > 0 && done < started, "sync-time ended at {done} us, {unit} started at {started} us");
    let after = world.on(&node.name, &["systemctl", "show", "-P", "After", &format!("{unit}.service")])?.text();
    ensure!(after.split_whitespace().any(|u| u == "sync-time.service"), "{unit} is not ordered after sync-time");
    let journal = world.root_on(&node.name, "journalctl -b -u sync-time -o cat --no-pager")?.text();
    let Some(line) = journal.lines().rev().find(|l| l.contains("offset")) else { fail!("journal: {journal}") };
    ensure!(line.contains(" ms"), "no measured offset: {line}");
    Ok(format!("{:.1} s before {unit}; {line}", (started - done) as f64 / 1e6))
}

/// The same program, in a mount namespace where the system trusts a stranger's authority and nobody else.
fn wrong_ca(world: &World, _: &Ready, node: &Node) -> Proof {
    let line = "ca=$(ls /usr/share/ca-certificates/mozilla/*.crt | head -n 1); [ -n \"$ca\" ] || exit 9; \
                mount -t tmpfs none /etc/ssl/certs; cp \"$ca\" /etc/ssl/certs/ca-certificates.crt; \
                AIRLAB_CLOCK_FILE=/run/e2e-clock.json /usr/local/sbin/sync-time 2>&1; \
                echo code $?; rm -f /run/e2e-clock.json";
    let said = world.on(&node.name, &["sudo", "unshare", "--mount", "sh", "-c", line])?.text();
    ensure!(said.ends_with("code 1") && said.contains("not trusted"), "with a wrong CA: {said}");
    Ok(said.lines().next().unwrap_or("").chars().take(70).collect())
}

/// A node may not reach the host's clock nor its system controls outside the network.
fn host_is_safe(world: &World, _: &Ready, node: &Node) -> Proof {
    let before = std::fs::read_to_string("/proc/sys/kernel/panic")?;
    let line = "date -s @1000000000 > /dev/null 2>&1; echo $?; \
                (echo 3 > /proc/sys/vm/drop_caches) 2>/dev/null; echo $?; date +%s";
    let said = world.root_on(&node.name, line)?.text();
    let lines: Vec<&str> = said.lines().collect();
    let [date, sysctl, now] = lines.as_slice() else { fail!("{said}") };
    ensure!(*date != "0" && now.parse::<u64>()? > 1_700_000_000, "the node could set the clock: {said}");
    ensure!(*sysctl != "0", "the node could write /proc/sys/vm");
    let after = std::fs::read_to_string("/proc/sys/kernel/panic")?;
    ensure!(before == after, "kernel.panic changed from {before} to {after}");
    Ok("clock and vm sysctls refused".into())
}

/// Every name the API server was asked to have, and the address the host uses, stand in its certificate.
fn api_names(world: &World, ready: &Ready) -> Proof {
    let address = ready.api.trim_start_matches("https://");
    let shown = world.ok(world.bare("openssl").args(["s_client", "-connect", address, "-showcerts"]))?;
    let names = world.bare("openssl").args(["x509", "-noout", "-ext", "subjectAltName"]).stdin(shown.stdout);
    let names = world.ok(names)?.text();
    let server = ready.server()?;
    let config = world.root_on(&server.name, "cat /etc/rancher/k3s/config.yaml")?.text();
    let asked = config.lines().skip_while(|l| !l.starts_with("tls-san")).skip(1);
    let asked: Vec<&str> =
        asked.map_while(|l| l.trim().strip_prefix("- ")).map(|n| n.trim_matches(['"', '\''])).collect();
    ensure!(!asked.is_empty(), "config.yaml asks for no names: {config}");
    for name in asked.iter().copied().chain(["127.0.0.1", server.address.as_str()]) {
        ensure!(names.contains(name), "{name} is not in the certificate: {names}");
    }
    Ok(names.lines().last().unwrap_or("").trim().to_owned())
}
