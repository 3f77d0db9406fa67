use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use registry_mirror::{Digest, Image, MirrorReport, Source, Store, mirror, mirror_archives, names_in};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use steps::{Problem, Recorder, Silent};

use crate::images::{append, config, docker_archive, layer};
use crate::{Lab, run};

fn image(reference: &str, source: Source) -> Image {
    Image { reference: reference.into(), digest: None, sources: vec![source] }
}

async fn one(reference: &str, source: Source, store: &Store) -> MirrorReport {
    mirror(&[image(reference, source)], store, &Silent).await
}

fn layers() -> Vec<Vec<u8>> {
    vec![layer("a", b"one"), layer("b", &vec![9; 3 << 20]), layer("c", b"three")]
}

/// Every file of a folder with its time of change.
fn files(dir: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => drop(found.insert(entry.path(), entry.metadata().unwrap().modified().unwrap())),
        }
    }
    found
}

#[tokio::test]
async fn a_docker_archive_is_mirrored_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let archive = dir.path().join("tiny.tar");
    docker_archive(&archive, &["docker.io/library/tiny:1", "quay.io/x/y/z:v2"], &layers());
    let seen = Recorder::default();
    let named = [("docker.io/library/tiny:1".to_owned(), archive.clone())];
    let first = mirror_archives(&named, &store, &seen).await.unwrap();
    assert_eq!((first.new.as_slice(), first.present.len()), (&["docker.io/library/tiny:1".to_owned()][..], 0));
    assert!(!seen.events().is_empty());
    let before = files(dir.path());
    let second = mirror_archives(&named, &store, &Silent).await.unwrap();
    assert_eq!((second.new.len(), second.present.len(), second.changed.len()), (0, 1, 0));
    assert_eq!(files(dir.path()), before, "nothing is rewritten");
    assert!(store.verify().unwrap().findings.is_empty());
    let catalog = store.catalog().unwrap();
    assert_eq!((catalog[0].repository.as_str(), catalog[0].tags[0].tag.as_str()), ("library/tiny", "1"));

    // By file name, every image of the archive comes under its own name.
    let all = mirror_archives(&[("tiny.tar".to_owned(), archive.clone())], &store, &Silent).await.unwrap();
    assert_eq!((all.new.as_slice(), all.present.len()), (&["quay.io/x/y/z:v2".to_owned()][..], 1));

    // Another image under the same name; then a blob is lost.
    docker_archive(&archive, &["docker.io/library/tiny:1"], &layers()[..2]);
    assert_eq!(mirror_archives(&named, &store, &Silent).await.unwrap().changed.len(), 1);
    let lost = Digest::of(&layers()[1]);
    let blob = format!("store/docker/registry/v2/blobs/sha256/{}/{}/data", &lost.hex()[..2], lost.hex());
    std::fs::remove_file(dir.path().join(blob)).unwrap();
    assert_eq!(store.verify().unwrap().findings.len(), 3, "both images miss it, and the one that lost its tag");
    assert_eq!(mirror_archives(&named, &store, &Silent).await.unwrap().changed.len(), 1);
    assert!(store.verify().unwrap().findings.is_empty());
}

#[tokio::test]
async fn compressed_archives_and_layers_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let plain = dir.path().join("tiny.tar");
    docker_archive(&plain, &["tiny:1"], &layers());
    let packed = dir.path().join("tiny.tar.gz");
    let mut gz = flate2::write::GzEncoder::new(std::fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    gz.write_all(&std::fs::read(&plain).unwrap()).unwrap();
    gz.finish().unwrap();
    assert_eq!(one("tiny:1", Source::File(packed), &store).await.new.len(), 1);
    assert_eq!(one("tiny:1", Source::File(plain.clone()), &store).await.present.len(), 1, "the same image either way");

    // As k3s packs its images, and an OCI layout the same way.
    let packed = dir.path().join("tiny.tar.zst");
    let zstd = |from: &Path| compress_to_vec(std::fs::File::open(from).unwrap(), CompressionLevel::Fastest);
    std::fs::write(&packed, zstd(&plain)).unwrap();
    assert_eq!(one("tiny:1", Source::File(packed.clone()), &store).await.present.len(), 1, "the same image again");
    let layout = dir.path().join("layout.tar");
    let digest: Digest = store.catalog().unwrap()[0].tags[0].digest.parse().unwrap();
    store.export(&layout, &BTreeMap::from([("docker.io/library/tiny:1".to_owned(), digest.clone())])).unwrap();
    let packed_layout = dir.path().join("layout.tar.zst");
    std::fs::write(&packed_layout, zstd(&layout)).unwrap();
    let report = one("tiny:zst", Source::File(packed_layout.clone()), &store).await;
    assert_eq!((report.new.len(), &report.digests["tiny:zst"]), (1, &digest));
    assert_eq!(names_in(&packed_layout, dir.path()).await.unwrap(), ["docker.io/library/tiny:1"]);
    assert!(!store.root().join("partial").exists() && !dir.path().join("partial").exists(), "nothing stays unpacked");
    // Cut off, and one that would unpack to far more than it is.
    let bytes = std::fs::read(&packed).unwrap();
    std::fs::write(&packed, &bytes[..bytes.len() - 9]).unwrap();
    assert_eq!(one("tiny:1", Source::File(packed.clone()), &store).await.failed[0].1.id(), "AL-REG-005");
    let block = ((128u32 << 10) << 3 | 0b010).to_le_bytes();
    let block = [&block[..3], b"\0"].concat();
    let bomb = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3][..], &block.repeat(1200)].concat();
    std::fs::write(&packed, bomb).unwrap();
    let report = one("tiny:1", Source::File(packed), &store).await;
    assert!(report.failed[0].1.to_string().contains("times as large"), "{}", report.failed[0].1);

    // Layers behind links and compressed, as some writers have them.
    let layers = layers();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&layers[1]).unwrap();
    let linked = dir.path().join("linked.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&linked).unwrap());
    append(&mut tar, "c.json", &config(&[layers[0].clone(), layers[1].clone()]));
    append(&mut tar, "real.tar", &layers[0]);
    append(&mut tar, "x.gz", &gz.finish().unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "deep/layer.tar", "../real.tar").unwrap();
    append(&mut tar, "manifest.json", br#"[{"Config":"c.json","RepoTags":null,"Layers":["deep/layer.tar","x.gz"]}]"#);
    tar.into_inner().unwrap();
    assert_eq!(one("other:1", Source::File(linked), &store).await.new.len(), 1);
    assert!(store.verify().unwrap().findings.is_empty());
}

#[tokio::test]
async fn damaged_and_foreign_archives_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let archive = dir.path().join("tiny.tar");
    docker_archive(&archive, &["a:1", "b:1"], &layers());
    let good = std::fs::read(&archive).unwrap();
    let id = async |bytes: &[u8]| {
        std::fs::write(&archive, bytes).unwrap();
        let report = one("a:1", Source::File(archive.clone()), &store).await;
        report.complete().unwrap_err().id()
    };
    let at = good.windows(64).position(|w| w == [9; 64]).unwrap() + 5000;
    let mut flipped = good.clone();
    flipped[at] ^= 1;
    assert_eq!(id(&flipped).await, "AL-REG-006");
    assert_eq!(id(&good[..good.len() / 2]).await, "AL-REG-005");
    assert_eq!(id(b"<html>not here</html>").await, "AL-REG-005");
    assert_eq!(id(b"").await, "AL-REG-005");
    assert!(store.catalog().unwrap().is_empty(), "no tag for any of them");
    assert!(store.verify().unwrap().findings.is_empty());
    let report = one("a:1", Source::File(dir.path().join("none.tar")), &store).await;
    assert_eq!(report.failed[0].1.id(), "AL-REG-004");
    assert_eq!(one("Not A Name", Source::File(archive.clone()), &store).await.failed.len(), 1);

    std::fs::write(&archive, &good).unwrap();
    let mut pinned = image("a:1", Source::File(archive.clone()));
    pinned.digest = Some(Digest::of(b"another"));
    let report = mirror(&[pinned, image("b:1", Source::File(archive))], &store, &Silent).await;
    assert_eq!((report.failed[0].1.id(), report.new.as_slice()), ("AL-REG-006", &["b:1".to_owned()][..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layouts_and_registries_are_sources_too() {
    let lab = Lab::start();
    let dir = lab.dir.path();
    let archive = dir.join("tiny.tar");
    docker_archive(&archive, &["docker.io/library/tiny:1"], &layers());
    let certs = lab.cert_dir().display().to_string();
    let source = format!("docker-archive:{}", archive.display());
    let (oci_dir, oci_tar) = (dir.join("oci"), dir.join("oci.tar"));
    run("skopeo", &["copy", &source, &format!("oci:{}:1", oci_dir.display())]).await;
    run("skopeo", &["copy", &source, &format!("oci-archive:{}:1", oci_tar.display())]).await;
    for format in ["oci", "v2s2"] {
        let remote = format!("docker://{}/library/tiny:{format}", lab.host());
        run("skopeo", &["copy", "--dest-cert-dir", &certs, "--format", format, &source, &remote]).await;
    }
    let store = Store::open(&dir.join("second")).unwrap();
    assert_eq!(one("a/layout:1", Source::File(oci_dir), &store).await.new.len(), 1);
    assert_eq!(one("a/archive:1", Source::File(oci_tar), &store).await.new.len(), 1);
    for format in ["oci", "v2s2"] {
        let remote = Source::Registry {
            reference: format!("{}/library/tiny:{format}", lab.host()),
            ca_pem: Some(lab.ca_pem.clone()),
        };
        let reference = format!("quay.io/tiny/{format}:1");
        assert_eq!(one(&reference, remote.clone(), &store).await.complete().unwrap().new.len(), 1);
        let gets = || lab.log().iter().filter(|l| l["method"] == "GET" && l["path"] != "/v2/").count();
        let before = gets();
        assert_eq!(one(&reference, remote, &store).await.present.len(), 1);
        assert_eq!(gets(), before, "a second run asks for the digest and nothing else");
    }
    let catalog = store.catalog().unwrap();
    let types: Vec<_> = catalog.iter().map(|e| e.tags[0].media_type.rsplit('.').nth(1).unwrap()).collect();
    assert_eq!(types.len(), 4);
    assert!(catalog.iter().any(|e| e.tags[0].media_type.contains("docker")), "v2s2 stays v2s2");
    assert!(store.verify().unwrap().findings.is_empty());

    let stranger = Source::Registry { reference: format!("{}/library/tiny:oci", lab.host()), ca_pem: None };
    assert_eq!(one("x:1", stranger, &store).await.failed[0].1.id(), "AL-REG-008");
    let absent = Source::Registry { reference: format!("{}/no/such:1", lab.host()), ca_pem: Some(lab.ca_pem.clone()) };
    assert_eq!(one("x:1", absent, &store).await.failed[0].1.id(), "AL-REG-007");
}

/// A stock registry serves the folder that we wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_registry_serves_our_store() {
    let program = Path::new("/usr/bin/docker-registry");
    if !program.exists() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let archive = dir.path().join("tiny.tar");
    docker_archive(&archive, &["docker.io/library/tiny:1"], &layers());
    assert_eq!(one("tiny:1", Source::File(archive), &store).await.new.len(), 1);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
        store.root().display()
    );
    let file = dir.path().join("config.yml");
    std::fs::write(&file, config).unwrap();
    let cmd = machine::Cmd::new("/usr/bin/docker-registry").arg("serve").arg(&file);
    let registry = machine::Local.start(&cmd, &dir.path().join("log")).unwrap();
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (from, to) =
        (format!("docker://127.0.0.1:{port}/library/tiny:1"), format!("oci:{}:1", dir.path().join("back").display()));
    let pulled = tokio::task::spawn_blocking(move || {
        machine::Local.run(&machine::Cmd::new("skopeo").args(["copy", "--src-tls-verify=false", &from, &to]))
    });
    let pulled = pulled.await.unwrap().unwrap();
    machine::Local.run_ok(&machine::Cmd::new("kill").arg(registry.pid.to_string())).unwrap();
    assert_eq!(pulled.code, 0, "{}", pulled.error_text());
}
