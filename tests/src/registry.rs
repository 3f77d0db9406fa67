//! The registry as other people's programs meet it, on the loopback only: skopeo, docker-registry, containerd, and
//! crane and oras where they are installed.

mod python;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Background, Cmd, Local};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::{Report, say};
use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// `htpasswd -nbB -C 5 anna secret`
const USERS: &str = "anna:$2y$05$KsrAG1FPG3.ppJujbNiPs.xi8vtJCyVD4/jVCPI4gI7g3LmfNOxrG\n";
/// What is pushed: under which name, in which form, with all platforms or one.
const IMAGES: [(&str, &str, bool); 4] = [
    ("deep/er/name/oci:V1.0", "oci", false),
    ("library/docker:v1", "v2s2", false),
    ("team/index:latest", "oci", true),
    ("team/list:latest", "v2s2", true),
];

pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let world = World::new("registry", None)?;
    let lab = Lab::prepare(&world)?;
    let ours = lab.ours(&[])?;
    let mut digests = Vec::new();
    let pushed = report.check("registry/skopeo-pushes-and-pulls", 3 * MINUTE, &world, || {
        for (name, form, all) in IMAGES {
            lab.push(&ours, name, form, all)?;
            digests.push((name.to_owned(), lab.digest(&ours, name)?));
        }
        lab.pull(&ours, &digests)
    });
    if !pushed {
        fail!("without images the rest says nothing");
    }
    let digests = &digests;
    report.check("registry/docker-registry-pulls-through", 3 * MINUTE, &world, || lab.through(&ours, digests));
    report.check("registry/docker-registry-serves-our-folder", 3 * MINUTE, &world, || lab.taken_over(digests));
    report.check("registry/containerd", 3 * MINUTE, &world, || lab.containerd(&ours, digests));
    for (client, words) in [("crane", ["copy", "--insecure"]), ("oras", ["cp", "--insecure"])] {
        if Local.run(&Cmd::new("which").arg(client)).is_ok_and(|out| out.code == 0) {
            report
                .check(&format!("registry/{client}"), MINUTE, &world, || lab.copy_with(client, &words, &ours, digests));
        } else {
            say(&format!("     {client} is not installed here and not in Debian: not looked at"));
        }
    }
    if let Some(python) = python::python() {
        report.check("registry/oras-for-python", 2 * MINUTE, &world, || lab.artifact(&python, &ours));
    }
    report.check("registry/only-users", MINUTE, &world, || lab.users(digests));
    report.check("registry/garbage-while-serving", MINUTE, &world, || lab.garbage(&ours, digests));
    report.check("registry/verify-names-damage", MINUTE, &world, || lab.damage(digests));
    Ok(())
}

/// A folder with an authority, images to push, and a store.
struct Lab<'a> {
    world: &'a World,
    dir: PathBuf,
}

/// A server; ended with this value.
struct Server {
    process: Background,
    host: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Local.run(&Cmd::new("kill").arg(self.process.pid.to_string()));
        for _ in 0..100 {
            if self.process.ended().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = Local.run(&Cmd::new("kill").args(["-9", &self.process.pid.to_string()]));
    }
}

type Digests = [(String, String)];

impl<'a> Lab<'a> {
    fn prepare(world: &'a World) -> Result<Self, Fail> {
        let lab = Self { world, dir: world.scratch("registry") };
        fs::create_dir_all(lab.dir.join("certs"))?;
        let openssl = Cmd::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-keyout", "key.pem", "-out", "certs/ca.crt", "-subj", "/CN=127.0.0.1"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .dir(&lab.dir);
        Local.run_ok(&openssl.timeout(MINUTE))?;
        lab.layout()?;
        Ok(lab)
    }

    /// An OCI layout with an index of two platforms, `all`.
    fn layout(&self) -> Result<(), Fail> {
        let dir = self.dir.join("layout");
        fs::create_dir_all(dir.join("blobs/sha256"))?;
        let put = |bytes: &[u8], media_type: &str| -> Result<Value, Fail> {
            let hex = sha256(bytes);
            fs::write(dir.join("blobs/sha256").join(&hex), bytes)?;
            Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len() }))
        };
        let mut manifests = Vec::new();
        for architecture in ["amd64", "arm64"] {
            let layer = self.layer(architecture)?;
            let id = format!("sha256:{}", sha256(&layer));
            let config = json!({ "architecture": architecture, "os": "linux", "config": {},
                "rootfs": { "type": "layers", "diff_ids": [id] }, "history": [{ "created_by": "test" }] });
            let config = put(config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json")?;
            let layer = put(&layer, "application/vnd.oci.image.layer.v1.tar")?;
            let image = json!({ "schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [layer] });
            let mut described = put(image.to_string().as_bytes(), IMAGE)?;
            described["platform"] = json!({ "architecture": architecture, "os": "linux" });
            manifests.push(described);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        let mut index = put(index.to_string().as_bytes(), INDEX)?;
        index["annotations"] = json!({ "org.opencontainers.image.ref.name": "all" });
        fs::write(dir.join("index.json"), json!({ "schemaVersion": 2, "manifests": [index] }).to_string())?;
        fs::write(dir.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}")?;
        Ok(())
    }

    /// A tar with one file of 3 MiB.
    fn layer(&self, name: &str) -> Result<Vec<u8>, Fail> {
        let content: Vec<u8> = (0..3u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        fs::write(self.dir.join(name), content)?;
        let tar = Cmd::new("tar").args(["-cf", "layer.tar", "--mtime=@0", "--owner=0", "--group=0", name]);
        Local.run_ok(&tar.dir(&self.dir).timeout(MINUTE))?;
        Ok(fs::read(self.dir.join("layer.tar"))?)
    }

    fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    fn start(&self, cmd: Cmd, host: String) -> Result<Server, Fail> {
        let log = self.dir.join("servers.log");
        let server = Server { process: Local.start(&cmd, &log)?, host };
        self.world.until("a server", || {
            let ended = server.process.ended().map(|code| format!("{cmd} ended with {code}"));
            ensure!(ended.is_none(), "{}: {}", ended.unwrap_or_default(), fs::read_to_string(&log)?);
            Ok(TcpStream::connect(&server.host).map(|_| ())?)
        })?;
        Ok(server)
    }

    fn ours(&self, more: &[&str]) -> Result<Server, Fail> {
        self.world.set_deadline(std::time::Instant::now() + MINUTE);
        let host = free()?;
        let cmd = Cmd::new(self.world.program("registry-mirror"))
            .args(["serve", "--address", "127.0.0.1", "--port", host.rsplit(':').next().unwrap_or_default()])
            .arg("--store")
            .arg(self.store())
            .arg("--cert")
            .arg(self.dir.join("certs/ca.crt"))
            .arg("--key")
            .arg(self.dir.join("key.pem"));
        self.start(cmd.args(more.iter().copied()), host)
    }

    fn docker(&self, store: &Path, more: &str) -> Result<Server, Fail> {
        let host = free()?;
        let (store, dir) = (store.display(), self.dir.display());
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {store}}}\n  delete: \
             {{enabled: true}}\nhttp:\n  addr: {host}\n  secret: test\n  tls: {{certificate: {dir}/certs/ca.crt, key: \
             {dir}/key.pem}}\n{more}"
        );
        let config = self.dir.join(format!("docker-{}.yml", host.replace(':', "-")));
        fs::write(&config, text)?;
        let cmd = Cmd::new("docker-registry").arg("serve").arg(&config);
        self.start(cmd.env("SSL_CERT_FILE", self.dir.join("certs/ca.crt")), host)
    }

    fn skopeo(&self, words: &[&str]) -> Result<String, Fail> {
        let cmd = self.world.bare("skopeo").args(["--insecure-policy", "--tmpdir"]).arg(&self.dir);
        Ok(self.world.ok(cmd.args(words.iter().copied()))?.text())
    }

    fn certs(&self) -> String {
        self.dir.join("certs").display().to_string()
    }

    fn push(&self, server: &Server, name: &str, form: &str, all: bool) -> Result<(), Fail> {
        let from = format!("oci:{}:all", self.dir.join("layout").display());
        let to = format!("docker://{}/{name}", server.host);
        let certs = self.certs();
        let mut words = vec!["copy", "--dest-cert-dir", &certs, "--format", form];
        words.extend(all.then_some("--all"));
        self.skopeo(&[&words[..], &[&from, &to]].concat()).map(|_| ())
    }

    /// The digest of the manifest's own bytes.
    fn digest(&self, server: &Server, name: &str) -> Result<String, Fail> {
        let certs = self.certs();
        let cmd = self.world.bare("skopeo").args(["inspect", "--raw", "--cert-dir", &certs]);
        let out = self.world.ok(cmd.arg(format!("docker://{}/{name}", server.host)))?;
        Ok(format!("sha256:{}", sha256(&out.stdout)))
    }

    fn same(&self, server: &Server, digests: &Digests) -> Result<(), Fail> {
        for (name, digest) in digests {
            let got = self.digest(server, name)?;
            ensure!(got == *digest, "{name} is {got} at {}, {digest} at its source", server.host);
        }
        Ok(())
    }

    /// Everything back into layouts; skopeo checks every digest while it reads.
    fn pull(&self, server: &Server, digests: &Digests) -> Proof {
        let certs = self.certs();
        for (i, (name, digest)) in digests.iter().enumerate() {
            let to = self.dir.join(format!("back-{}-{i}", server.host.replace(':', "-")));
            let from = format!("docker://{}/{name}", server.host);
            self.skopeo(&["copy", "--all", "--src-cert-dir", &certs, &from, &format!("dir:{}", to.display())])?;
            let got = format!("sha256:{}", sha256(&fs::read(to.join("manifest.json"))?));
            ensure!(got == *digest, "{name} came back as {got}, not {digest}");
        }
        Ok(format!("{} images there and back, digests equal", digests.len()))
    }

    /// A stock docker-registry in front of ours, then alone with what it kept.
    fn through(&self, ours: &Server, digests: &Digests) -> Proof {
        let proxy = format!("proxy:\n  remoteurl: https://{}\n", ours.host);
        let docker = self.docker(&self.dir.join("through"), &proxy)?;
        self.same(&docker, digests)?;
        self.pull(&docker, digests)?;
        Ok(format!("docker-registry fetched {} images from ours for skopeo, digests equal", digests.len()))
    }

    /// A stock docker-registry on the folder that ours wrote, and ours on what it wrote there.
    fn taken_over(&self, digests: &Digests) -> Proof {
        let docker = self.docker(&self.store(), "")?;
        self.same(&docker, digests)?;
        self.pull(&docker, digests)?;
        let name = "docker/wrote:v1";
        self.push(&docker, name, "oci", true)?;
        let theirs = (name.to_owned(), self.digest(&docker, name)?);
        drop(docker);
        let ours = self.ours(&["--read-only"])?;
        self.pull(&ours, &[theirs])?;
        Ok(format!("docker-registry served our folder ({} images), ours served what it wrote", digests.len()))
    }

    fn containerd(&self, ours: &Server, digests: &Digests) -> Proof {
        let dir = self.dir.join("containerd");
        fs::create_dir_all(&dir)?;
        let root = dir.display();
        let off =
            ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs"];
        let config = format!(
            "version = 2\nroot = \"{root}/root\"\nstate = \"{root}/state\"\ndisabled_plugins = {}\n[grpc]\naddress = \
             \"{root}/sock\"\n[ttrpc]\naddress = \"{root}/ttrpc\"\n",
            json!(off)
        );
        fs::write(dir.join("config.toml"), config)?;
        let hosts = dir.join("hosts").join(&ours.host);
        fs::create_dir_all(&hosts)?;
        let ca = self.dir.join("certs/ca.crt").display().to_string();
        let toml = format!("server = \"https://{0}\"\n[host.\"https://{0}\"]\n  ca = \"{ca}\"\n", ours.host);
        fs::write(hosts.join("hosts.toml"), toml)?;
        let program = Cmd::new("containerd").arg("--config").arg(dir.join("config.toml"));
        let containerd = Server { process: Local.start(&program, &dir.join("log"))?, host: String::new() };
        let ctr = |words: &[&str]| {
            let cmd = self.world.bare("ctr").arg("--address").arg(dir.join("sock"));
            self.world.ok(cmd.args(words.iter().copied()))
        };
        self.world.until("containerd", || {
            ensure!(containerd.process.ended().is_none(), "it ended: {}", fs::read_to_string(dir.join("log"))?);
            ctr(&["version"]).map(|_| ())
        })?;
        let hosts = dir.join("hosts").display().to_string();
        for (i, (name, digest)) in digests.iter().enumerate() {
            let from = format!("{}/{name}", ours.host);
            ctr(&["content", "fetch", "--all-platforms", "--hosts-dir", &hosts, &from])?;
            let listed = ctr(&["images", "ls"])?.text();
            let line = listed.lines().find(|line| line.starts_with(&from)).unwrap_or_default();
            ensure!(line.contains(digest.as_str()), "containerd has {line:?}, not {digest}");
            let to = format!("ctr/pushed{i}:v1");
            let target = format!("{}/{to}", ours.host);
            ctr(&["images", "push", "--hosts-dir", &hosts, &target, &from])?;
            let got = self.digest(ours, &to)?;
            ensure!(got == *digest, "containerd pushed {name} as {got}, not {digest}");
        }
        Ok(format!("containerd fetched and pushed {} images, digests equal", digests.len()))
    }

    fn copy_with(&self, client: &str, words: &[&str], ours: &Server, digests: &Digests) -> Proof {
        for (i, (name, digest)) in digests.iter().enumerate() {
            let to = format!("{client}/copied{i}:v1");
            let pair = [format!("{}/{name}", ours.host), format!("{}/{to}", ours.host)];
            self.world.ok(self.world.bare(client).args(words.iter().copied()).args(pair))?;
            let got = self.digest(ours, &to)?;
            ensure!(got == *digest, "{client} copied {name} as {got}, not {digest}");
        }
        Ok(format!("{client} pulled and pushed {} images, digests equal", digests.len()))
    }

    fn users(&self, digests: &Digests) -> Proof {
        let file = self.dir.join("htpasswd");
        fs::write(&file, USERS)?;
        let server = self.ours(&["--htpasswd", &file.display().to_string()])?;
        let certs = self.certs();
        let (name, _) = digests.first().ok_or_else(|| Fail("no image".into()))?;
        let image = format!("docker://{}/{name}", server.host);
        let inspect = |creds: &[&str]| {
            let cmd = self.world.bare("skopeo").args(["inspect", "--raw", "--cert-dir", &certs]);
            self.world.run(cmd.args(creds.iter().copied()).arg(&image))
        };
        ensure!(inspect(&["--creds", "anna:secret"])?.code == 0, "anna was not let in");
        for creds in [&["--creds", "anna:wrong"][..], &["--no-creds"]] {
            ensure!(inspect(creds)?.code != 0, "{creds:?} was let in");
        }
        Ok("anna is let in, a wrong password and nobody are not".into())
    }

    fn mirror(&self, words: &[&str]) -> Result<(i32, Value), Fail> {
        let cmd = self.world.bare(&self.world.program("registry-mirror").display().to_string());
        let cmd = cmd.args(words.iter().copied()).arg("--store").arg(self.store()).args(["--output", "json"]);
        let out = self.world.run(cmd)?;
        // An error follows its result as a document of its own.
        let first = serde_json::Deserializer::from_slice(&out.stdout).into_iter().next();
        let value = first.ok_or_else(|| Fail(out.error_text()))?;
        Ok((out.code, value?))
    }

    /// A tag goes, its content goes with the next collection, and everybody else's stays.
    fn garbage(&self, ours: &Server, digests: &Digests) -> Proof {
        self.push(ours, "gone/one:v1", "oci", true)?;
        let certs = self.certs();
        self.skopeo(&["delete", "--cert-dir", &certs, &format!("docker://{}/gone/one:v1", ours.host)])?;
        let (code, collected) = self.mirror(&["gc", "--untagged", "--grace", "0"])?;
        ensure!(code == 0 && collected["links"].as_u64() > Some(0), "{code}: {collected}");
        self.pull(ours, digests)?;
        Ok(format!("{collected} while serving; the others can be pulled"))
    }

    fn damage(&self, digests: &Digests) -> Proof {
        let (code, clean) = self.mirror(&["verify"])?;
        ensure!(code == 0 && clean["findings"] == json!([]), "{code}: {clean}");
        let (name, digest) = digests.first().ok_or_else(|| Fail("no image".into()))?;
        let hex = digest.trim_start_matches("sha256:");
        let file = self.store().join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
        let mut bytes = fs::read(&file)?;
        bytes[20] ^= 4;
        fs::write(&file, bytes)?;
        let (code, seen) = self.mirror(&["verify"])?;
        let finding = seen["findings"][0].to_string();
        ensure!(code != 0 && finding.contains(digest.as_str()) && finding.contains(name.as_str()), "{code}: {seen}");
        Ok(format!("one flipped bit: {finding}"))
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// An address on the loopback that nobody listens on.
fn free() -> Result<String, Fail> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
