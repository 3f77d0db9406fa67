//! `cargo xtask bench registry`: our registry and docker-registry serve one folder over TLS in turn, in the same run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use machine::{Cmd, Local};
use steps::chain;

use super::bars::bars;
use super::load::{Load, drive, peak_mib};
use super::{Folder, median};
use crate::lab::target;
use crate::provision::cargo;
use crate::{Ended, packages, say};

const TOOLS: &[(&str, &str)] =
    &[("wrk", "wrk"), ("docker-registry", "docker-registry"), ("openssl", "openssl"), ("curl", "curl")];
const SERVERS: [&str; 2] = ["docker-registry", "ours"];
const BLOB: usize = 100 << 20;
const ROUNDS: usize = 3;
const SECONDS: u32 = 4;
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks/registry.md");
/// MiB that ours may hold at most, at any time.
const MEMORY: f64 = 64.0;

/// Figures by name and server; a list, one per round.
type Figures = BTreeMap<(String, &'static str), Vec<f64>>;

/// One goal: ours at least, or at most, so many times docker-registry's.
struct Goal {
    figure: String,
    times: f64,
    at_least: bool,
}

/// Exit code 1 when a goal is missed.
pub(super) fn run() -> Ended {
    let missing = packages::of_absent(TOOLS.iter());
    if !missing.is_empty() {
        return Err(format!("the measurement needs programs\nwhat to do:\n  {}", packages::command(&missing)));
    }
    say::line("building the registry as it is released");
    let build = ["build", "--locked", "--quiet", "--release", "-p", "registry-mirror", "--example", "serve"];
    let built = Local.take_over(&cargo().args(build).timeout(Duration::from_secs(3600)));
    if built.map_err(|e| chain(&e))? != 0 {
        return Ok(1);
    }
    let work = Folder::new()?;
    let bench = Bench::prepare(&work.0)?;
    let mut figures = Figures::new();
    for round in 0..ROUNDS {
        for turn in 0..SERVERS.len() {
            let server = SERVERS[(round + turn) % SERVERS.len()];
            bench.round(server, &mut figures)?;
            say::line(&format!("round {} of {ROUNDS}: {server} done", round + 1));
        }
    }
    say::line("ours: garbage is collected every second while blobs are pulled and pushed");
    let under_load = bench.garbage()?;
    figures.insert(("peak memory with garbage collected under load, MiB".into(), "ours"), vec![under_load]);
    let (page, met) = page(&figures);
    if let Some(dir) = Path::new(PAGE).parent() {
        std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    std::fs::write(PAGE, &page).map_err(|e| format!("{PAGE}: {e}"))?;
    say::result(&page)?;
    Ok(u8::from(!met))
}

/// One folder that both servers serve, and a certificate.
struct Bench {
    dir: PathBuf,
    blob: String,
}

/// A server that ends with this value.
struct Server {
    pid: u32,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Local.run(&Cmd::new("kill").arg(self.pid.to_string()));
        let end = Instant::now() + Duration::from_secs(10);
        while Path::new(&format!("/proc/{}/exe", self.pid)).exists() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Bench {
    fn prepare(dir: &Path) -> Result<Self, String> {
        let openssl = Cmd::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"])
            .args(["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=127.0.0.1"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"]);
        Local.run_ok(&openssl.dir(dir).timeout(Duration::from_secs(60))).map_err(|e| chain(&e))?;
        let mut bench = Self { dir: dir.to_owned(), blob: String::new() };
        let mut bytes = vec![0; BLOB];
        let mut random = std::fs::File::open("/dev/urandom").map_err(|e| e.to_string())?;
        random.read_exact(&mut bytes).map_err(|e| e.to_string())?;
        bench.blob = bench.put_blob(&bytes, true)?;
        let config = bench.put_blob(b"{}", true)?;
        let layer = |size: usize, digest: &str| {
            let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
            serde_json::json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size })
        };
        let mut config = layer(2, &config);
        config["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let layers = vec![layer(BLOB, &bench.blob); 8];
        let manifest =
            serde_json::json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers });
        let digest = bench.put_blob(manifest.to_string().as_bytes(), false)?;
        let manifests = "repositories/bench/image/_manifests";
        bench.link(&format!("{manifests}/revisions/sha256/{digest}/link"), &digest)?;
        bench.link(&format!("{manifests}/tags/v1/index/sha256/{digest}/link"), &digest)?;
        bench.link(&format!("{manifests}/tags/v1/current/link"), &digest)?;
        Ok(bench)
    }

    fn file(&self, path: &str, bytes: &[u8]) -> Result<PathBuf, String> {
        let path = self.dir.join("store/docker/registry/v2").join(path);
        let dir = path.parent().unwrap_or(&path);
        let write = || std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, bytes));
        write().map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    fn link(&self, path: &str, digest: &str) -> Result<PathBuf, String> {
        self.file(path, format!("sha256:{digest}").as_bytes())
    }

    fn put_blob(&self, bytes: &[u8], layer: bool) -> Result<String, String> {
        let scratch = self.dir.join("scratch");
        std::fs::write(&scratch, bytes).map_err(|e| format!("{}: {e}", scratch.display()))?;
        let said = Local.run_ok(&Cmd::new("sha256sum").arg(&scratch)).map_err(|e| chain(&e))?.text();
        let digest = said.split_whitespace().next().unwrap_or_default().to_owned();
        self.file(&format!("blobs/sha256/{}/{digest}/data", &digest[..2]), bytes)?;
        if layer {
            self.link(&format!("repositories/bench/image/_layers/sha256/{digest}/link"), &digest)?;
        }
        Ok(digest)
    }

    fn start(&self, server: &str) -> Result<Server, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(|e| e.to_string())?;
        let (store, cert, key) = (self.dir.join("store"), self.dir.join("cert.pem"), self.dir.join("key.pem"));
        let cmd = if server == "ours" {
            let program = target().join("release/examples/serve");
            Cmd::new(program).arg(free.to_string()).arg(&store).arg(&cert).arg(&key)
        } else {
            let (store, cert, key) = (store.display(), cert.display(), key.display());
            let config = format!(
                "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: \
                 {{rootdirectory: {store}}}\nhttp:\n  addr: \"{free}\"\n  secret: bench\n  tls: {{certificate: \
                 {cert}, key: {key}}}\n"
            );
            let file = self.dir.join("docker.yml");
            std::fs::write(&file, config).map_err(|e| format!("{}: {e}", file.display()))?;
            Cmd::new("docker-registry").arg("serve").arg(&file)
        };
        let started = Local.start(&cmd, &self.dir.join("server.log")).map_err(|e| chain(&e))?;
        let server = Server { pid: started.pid, url: format!("https://{free}/v2/bench/image") };
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(free).is_err() {
            if Instant::now() > end || started.ended().is_some() {
                let log = std::fs::read_to_string(self.dir.join("server.log")).unwrap_or_default();
                return Err(format!("a server does not answer: {log}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    fn round(&self, name: &'static str, figures: &mut Figures) -> Result<(), String> {
        let server = self.start(name)?;
        let mut keep = |figure: String, value: f64| figures.entry((figure, name)).or_default().push(value);
        let Load { requests_per_s, p99_ms, .. } =
            drive(server.pid, &format!("{}/manifests/v1", server.url), 64, SECONDS)?;
        keep("manifest, 64 connections, requests/s".into(), requests_per_s);
        keep("manifest, 64 connections, p99 ms".into(), p99_ms);
        for clients in [1, 8, 32] {
            let url = format!("{}/blobs/sha256:{}", server.url, self.blob);
            let Load { mib_per_s, cpu_s, gib, .. } = drive(server.pid, &url, clients, SECONDS)?;
            keep(format!("100 MiB blob, {clients:2} clients, MiB/s"), mib_per_s);
            keep(format!("100 MiB blob, {clients:2} clients, CPU s/GiB"), cpu_s / gib.max(1e-6));
        }
        keep("peak memory, MiB".into(), peak_mib(server.pid)?);
        Ok(())
    }

    /// Peak memory while blobs are pulled by 8 clients and pushed by 8, and garbage is looked for every second.
    fn garbage(&self) -> Result<f64, String> {
        let old = SystemTime::now() - Duration::from_secs(7200);
        for i in 0..2000u32 {
            let data = self.file(&format!("blobs/sha256/{0:02x}/{0:02x}{i:062x}/data", i % 256), &[0; 4096])?;
            let touch = std::fs::File::options().write(true).open(&data).and_then(|f| f.set_modified(old));
            touch.map_err(|e| format!("{}: {e}", data.display()))?;
        }
        let server = self.start("ours")?;
        let blob = format!("blobs/sha256/{}/{}/data", &self.blob[..2], self.blob);
        let file = self.dir.join("store/docker/registry/v2").join(blob);
        let push = || {
            let url = format!("{}/blobs/uploads?digest=sha256:{}", server.url, self.blob);
            let cmd = Cmd::new("curl").args(["-sSfk", "-X", "POST", "-T"]).arg(&file).arg(url);
            Local.run_ok(&cmd.timeout(Duration::from_secs(300))).map(|_| ()).map_err(|e| chain(&e))
        };
        std::thread::scope(|scope| {
            let pushes: Vec<_> = (0..8).map(|_| scope.spawn(push)).collect();
            drive(server.pid, &format!("{}/blobs/sha256:{}", server.url, self.blob), 8, 3 * SECONDS)?;
            pushes.into_iter().try_for_each(|push| push.join().map_err(|_| "a push broke off".to_owned())?)
        })?;
        drive(server.pid, &format!("{}/manifests/v1", server.url), 64, SECONDS)?;
        let gone = self.dir.join(format!("store/docker/registry/v2/blobs/sha256/01/01{:062x}", 1));
        if gone.exists() {
            return Err("garbage was not collected meanwhile".into());
        }
        peak_mib(server.pid)
    }
}

fn goals() -> Vec<Goal> {
    let mut goals = vec![
        Goal { figure: "manifest, 64 connections, requests/s".into(), times: 5.0, at_least: true },
        Goal { figure: "manifest, 64 connections, p99 ms".into(), times: 0.2, at_least: false },
    ];
    for clients in [1, 8, 32] {
        let blob = |what| format!("100 MiB blob, {clients:2} clients, {what}");
        goals.push(Goal { figure: blob("MiB/s"), times: 1.0, at_least: true });
        goals.push(Goal { figure: blob("CPU s/GiB"), times: 1.0, at_least: false });
    }
    goals
}

/// The table of medians, and whether every goal is met.
fn page(figures: &Figures) -> (String, bool) {
    let middle = |figure: &str, server| median(figures.get(&(figure.to_owned(), server)).cloned().unwrap_or_default());
    let mut page = String::from(
        "<!-- written by `cargo xtask bench registry` -->\n# The registry beside docker-registry\n\n\
         Both serve the same folder over TLS in the same run, in turn; the client shares the machine. Medians; the\n\
         ratios are what counts.\n\n\
         | | docker-registry | ours | ratio | goal | |\n|---|---|---|---|---|---|\n",
    );
    let (mut met, mut chart) = (true, String::new());
    let mut row = |figure: &str, theirs: Option<f64>, ours: f64, ratio: Option<f64>, goal: String, good: bool| {
        let show = |value: Option<f64>| value.map(|v| format!("{v:.2}")).unwrap_or_default();
        let verdict = if good { "met" } else { "missed" };
        let _ = writeln!(page, "| {figure} | {} | {ours:.2} | {} | {goal} | {verdict} |", show(theirs), show(ratio));
        met &= good;
    };
    for Goal { figure, times, at_least } in goals() {
        let (Some(theirs), Some(ours)) = (middle(&figure, "docker-registry"), middle(&figure, "ours")) else {
            continue;
        };
        let ratio = ours / theirs;
        bars(&mut chart, &figure, &[(SERVERS[0], theirs), (SERVERS[1], ours)]);
        let good = if at_least { ratio >= times } else { ratio <= times };
        row(&figure, Some(theirs), ours, Some(ratio), format!("{} {times}x", if at_least { ">=" } else { "<=" }), good);
    }
    for figure in ["peak memory, MiB", "peak memory with garbage collected under load, MiB"] {
        let (theirs, ours) = (middle(figure, "docker-registry"), middle(figure, "ours").unwrap_or(f64::MAX));
        row(figure, theirs, ours, theirs.map(|t| ours / t), format!("<= {MEMORY}"), ours <= MEMORY);
    }
    let _ = write!(page, "\n```text\n{chart}```\n");
    (page, met)
}
