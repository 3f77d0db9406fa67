//! Container images without a registry: what they are made of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use machine::{Cmd, Local};
use serde_json::json;
use steps::Sink;

use crate::archive::{Image, Layer, archive};
use crate::script::Script;
use crate::{Error, Result, cache};

const NAME: &str = "images";
const SCRIPT: &str = include_str!("../scripts/images.sh");
const BUSYBOX: &str = "/bin/busybox";

/// The sandbox image of k3s; the air-gap archive holds it.
pub const PAUSE: &str = "docker.io/rancher/mirrored-pause:3.6";
/// A page server for demonstrations: answers with its host name on port 8080; has sh, wget and nslookup.
pub const PAGE: &str = "docker.io/airlab/page:1";

/// The demo lab's DNS server in the cluster, a stand-in for CoreDNS; the air-gap archive holds it.
pub const DNS: &str = "docker.io/airlab/dns-stand-in:1";
/// The program of [`DNS`], a crate of its own, and where it lies in the image.
const DNS_PROGRAM: &str = "demodns";

/// As process 1 the shell must take the signal itself, or every pod would take its whole grace period to end.
const SERVE: &str = "trap 'exit 0' TERM INT; hostname > /www/index.html; httpd -f -p 8080 -h /www & wait";
const APPLETS: &[&str] = &[
    "cat", "date", "df", "echo", "env", "free", "head", "hostname", "httpd", "id", "ip", "ls", "mount", "nc",
    "nslookup", "ping", "ps", "sh", "sleep", "true", "uname", "vi", "wc", "wget",
];

/// The demo lab's images.
#[derive(Debug, Clone)]
pub struct Images {
    /// The archive for the agents' images folder.
    pub airgap: PathBuf,
    /// Images for the registry: reference and archive.
    pub registry: Vec<(String, PathBuf)>,
}

/// The images, from the cache or made.
pub fn images(cache: &Path, sink: &dyn Sink) -> Result<Images> {
    let busybox = fs::read(BUSYBOX).map_err(Error::cache(BUSYBOX))?;
    let dns = stripped(cache)?;
    let dns_bytes = fs::read(&dns).map_err(Error::cache(&dns))?;
    let recipe = json!([PAUSE, PAGE, DNS, SERVE, APPLETS, 2]).to_string(); // the number: how archives are written
    let hash = cache::hash([SCRIPT.as_bytes(), recipe.as_bytes(), &busybox, &dns_bytes]);
    let dir = cache::part(cache, NAME, &hash, sink, |dir| {
        Script::new(NAME, "build", SCRIPT, dir).env("OUT", dir).env("DNS", &dns).run(sink)?;
        write(dir, &busybox).map_err(Error::cache(dir))
    });
    let _gone = fs::remove_file(&dns); // a leftover harms nobody
    let file = |name: &str| dir.as_ref().map(|d| d.join(name)).unwrap_or_default();
    let registry = [(PAUSE, "pause.tar"), (PAGE, "page.tar"), (DNS, "dns.tar")];
    let registry = registry.map(|(reference, name)| (reference.to_owned(), file(name))).into();
    let airgap = file("airgap.tar");
    dir.map(|_| Images { airgap, registry })
}

/// The DNS server's program without its debugging information, as a file of this process alone.
fn stripped(cache: &Path) -> Result<PathBuf> {
    let exe = std::env::current_exe().map_err(Error::cache(DNS_PROGRAM))?;
    // beside this program; a test or an example lies one folder deeper
    let mut beside = exe.ancestors().skip(1).take(2).map(|folder| folder.join(DNS_PROGRAM));
    let program = beside.find(|p| p.is_file()).ok_or(Error::NoDns)?;
    fs::create_dir_all(cache).map_err(Error::cache(cache))?;
    let to = cache.join(format!("{DNS_PROGRAM}.{}", std::process::id()));
    let strip = Cmd::new("strip").args(["--strip-all", "--remove-section=.note.gnu.build-id", "-o"]).arg(&to);
    Local.run_ok(&strip.arg(program)).map_err(|e| Error::cache(DNS_PROGRAM)(io::Error::other(e)))?;
    Ok(to)
}

/// Writes the archives into the part's folder, in which the script has left the programs.
fn write(dir: &Path, busybox: &[u8]) -> io::Result<()> {
    let (pause, page, dns) = (pause(&fs::read(dir.join("pause"))?)?, page(busybox)?, dns(&dir.join("dns"))?);
    let files = [("pause.tar", vec![&pause]), ("page.tar", vec![&page]), ("dns.tar", vec![&dns])];
    for (name, images) in files.into_iter().chain([("airgap.tar", vec![&pause, &dns])]) {
        fs::write(dir.join(name), archive(&images)?)?;
    }
    fs::remove_dir_all(dir.join("dns"))
}

fn dns(tree: &Path) -> io::Result<Image> {
    let mut layer = Layer::default();
    layer.tree(tree, "")?;
    let program = format!("/{DNS_PROGRAM}");
    Ok(Image { reference: DNS, layer: layer.finish()?, config: json!({ "Entrypoint": [program] }) })
}

fn pause(program: &[u8]) -> io::Result<Image> {
    let mut layer = Layer::default();
    layer.file("pause", program, 0o755)?;
    Ok(Image { reference: PAUSE, layer: layer.finish()?, config: json!({ "Entrypoint": ["/pause"] }) })
}

fn page(busybox: &[u8]) -> io::Result<Image> {
    let mut layer = Layer::default();
    layer.folder("bin", 0o755)?;
    layer.file("bin/busybox", busybox, 0o755)?;
    for applet in APPLETS {
        layer.link(&format!("bin/{applet}"), "busybox")?;
    }
    layer.folder("etc", 0o755)?;
    layer.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n", 0o644)?;
    layer.folder("tmp", 0o1777)?;
    layer.folder("www", 0o755)?;
    let config = json!({
        "Cmd": ["/bin/sh", "-c", SERVE], "Env": ["PATH=/bin"], "WorkingDir": "/", "ExposedPorts": { "8080/tcp": {} },
    });
    Ok(Image { reference: PAGE, layer: layer.finish()?, config })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use sha2::{Digest, Sha256};
    use std::collections::BTreeMap;
    use std::io::Read;

    fn files(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        };
        tar::Archive::new(tar).entries().unwrap().map(read).collect()
    }

    #[test]
    fn an_archive_holds_what_its_manifest_names() {
        let archive = files(&archive(&[&page(b"busybox's bytes").unwrap()]).unwrap());
        let manifest: Value = serde_json::from_slice(&archive["manifest.json"]).unwrap();
        assert_eq!(manifest[0]["RepoTags"], json!([PAGE]));
        let config = &archive[manifest[0]["Config"].as_str().unwrap()];
        let layer = &archive[manifest[0]["Layers"][0].as_str().unwrap()];
        let config: Value = serde_json::from_slice(config).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"], json!([format!("sha256:{}", hex::encode(Sha256::digest(layer)))]));
        assert_eq!(files(layer)["bin/busybox"], b"busybox's bytes");
        assert!(APPLETS.iter().all(|a| files(layer).contains_key(&format!("bin/{a}"))));
    }

    #[test]
    fn the_same_image_is_the_same_bytes() {
        let of = |bytes: &[u8]| archive(&[&pause(bytes).unwrap()]).unwrap();
        assert_eq!(of(b"program"), of(b"program"));
        assert_ne!(of(b"program"), of(b"programme"));
    }
}
