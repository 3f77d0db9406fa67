//! Bundles: made, cut, carried, damaged, and refused.

mod hostile;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use artifacts::bundle::{
    Bundle, BundleError, Contents, Created, Difference, ImageContent, Manifest, Receipt, SigningKey, Trust, create,
};
use artifacts::{Lock, Store, check};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use steps::{Problem, Silent};

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Puts a blob into a folder and says what a bundle wants to know about it.
fn blob(dir: &Path, bytes: &[u8]) -> (String, u64, PathBuf) {
    let path = dir.join(sha256(bytes));
    fs::create_dir_all(dir).unwrap();
    fs::write(&path, bytes).unwrap();
    (sha256(bytes), bytes.len() as u64, path)
}

fn image(dir: &Path, name: &str, layer: &[u8]) -> ImageContent {
    let describe =
        |b: &(String, u64, PathBuf)| json!({"mediaType": "x", "digest": format!("sha256:{}", b.0), "size": b.1});
    let (config, layer) = (blob(dir, b"{}"), blob(dir, layer));
    let manifest = json!({"schemaVersion": 2, "config": describe(&config), "layers": [describe(&layer)]});
    let manifest = blob(dir, manifest.to_string().as_bytes());
    let digest = format!("sha256:{}", manifest.0);
    let media_type = "application/vnd.oci.image.manifest.v1+json".into();
    ImageContent { name: name.into(), digest, media_type, blobs: vec![manifest, config, layer] }
}

fn contents(dir: &Path, k3s: &[u8], images: Vec<ImageContent>) -> Contents {
    let (program, iso) = (blob(dir, k3s), blob(dir, b"the installer"));
    let mut lock = String::new();
    for (name, file) in [("k3s", &program), ("iso", &iso)] {
        lock += &format!(
            "[[artifact]]\nname = '{name}'\nkind = '{name}'\nversion = '1'\nsize = {}\nsha256 = '{}'\nsources = []\n",
            file.1, file.0
        );
    }
    for image in &images {
        lock += &format!("[[image]]\nname = '{}'\ndigest = '{}'\nsize = 1\n", image.name, image.digest);
    }
    let lock = Lock::parse("airlab.lock", &lock).unwrap();
    let files = vec![("iso".into(), iso.2), ("k3s".into(), program.2)];
    Contents { files, images, part_size: 4096, notes: vec!["a stand-in".into()], ..Contents::new("lab", lock) }
}

/// A folder with a bundle in `stick`, and its key.
struct Made {
    dir: tempfile::TempDir,
    key: SigningKey,
    created: Created,
}

impl Made {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::generate().unwrap();
        let blobs = dir.path().join("blobs");
        let images =
            vec![image(&blobs, "docker.io/library/b:2", &[7; 9000]), image(&blobs, "docker.io/library/a:1", b"x")];
        let contents = contents(&blobs, &[5; 5000], images);
        let created = create(&contents, None, &dir.path().join("stick"), &key, &Silent).unwrap();
        Self { dir, key, created }
    }

    fn stick(&self) -> PathBuf {
        self.dir.path().join("stick")
    }

    fn trust(&self) -> Trust {
        Trust::Key(self.key.public())
    }

    fn verify(&self) -> Result<artifacts::bundle::Verified, BundleError> {
        Bundle::open(&self.stick(), &self.trust())?.verify(&Silent)
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&fs::read(&self.created.manifest).unwrap()).unwrap()
    }

    /// The whole stream.
    fn stream(&self) -> Vec<u8> {
        self.created.parts.iter().flat_map(|p| fs::read(self.stick().join(p)).unwrap()).collect()
    }

    /// As somebody with the key, but without scruples, would write it: another stream under this manifest.
    fn forge(&self, stream: &[u8], manifest: &mut Value) {
        let size = manifest["part_size"].as_u64().unwrap() as usize;
        let parts = stream.chunks(size).enumerate().map(|(at, part)| {
            let file = format!("lab.airbundle.{at:03}");
            fs::write(self.stick().join(&file), part).unwrap();
            json!({"file": file, "size": part.len(), "sha256": sha256(part)})
        });
        manifest["parts"] = parts.collect();
        fs::write(&self.created.manifest, manifest.to_string()).unwrap();
    }

    fn verify_unsigned(&self) -> Result<artifacts::bundle::Verified, BundleError> {
        Bundle::open(&self.stick(), &Trust::SkipSignature)?.verify(&Silent)
    }
}

/// Everything that is wrong, each as id and text.
fn all(error: &BundleError) -> Vec<(&'static str, String)> {
    let also = error.also();
    std::iter::once(error as &dyn Problem).chain(also).map(|e| (e.id(), e.to_string())).collect()
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entry = |e: std::io::Result<fs::DirEntry>| e.unwrap().path();
    let files = fs::read_dir(dir).into_iter().flatten().map(entry).filter(|p| p.is_file());
    files.map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), fs::read(p).unwrap())).collect()
}

#[test]
fn a_bundle_is_an_oci_layout_that_any_tar_reads() {
    let made = Made::new();
    assert!(made.created.parts.len() > 3, "{:?}", made.created.parts);
    let bundle = made.verify().unwrap();
    let stream = made.stream();
    let mut archive = tar::Archive::new(&stream[..]);
    let names: Vec<String> =
        archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(names[..4], ["oci-layout", "index.json", "airlab.lock", "sbom.spdx.json"]);
    assert_eq!(names, bundle.manifest().entries.iter().map(|e| e.path.clone()).collect::<Vec<_>>());
    let index: Value = serde_json::from_slice(&bundle.document("index.json").unwrap()).unwrap();
    assert_eq!(index["manifests"][1]["annotations"]["io.containerd.image.name"], "docker.io/library/b:2");
    assert_eq!(index["manifests"][1]["annotations"]["org.opencontainers.image.ref.name"], "2");
    let lock = String::from_utf8(bundle.document("airlab.lock").unwrap()).unwrap();
    assert_eq!(Lock::parse("x", &lock).unwrap().images.len(), 2);
    // `{}` is the configuration of both images
    let times = names.iter().filter(|n| n.ends_with(&sha256(b"{}"))).count();
    assert_eq!(times, 1);
}

#[test]
fn what_is_there_already_is_left_alone() {
    let made = Made::new();
    let before = files(&made.stick());
    let blobs = made.dir.path().join("blobs");
    let images = vec![image(&blobs, "docker.io/library/b:2", &[7; 9000]), image(&blobs, "docker.io/library/a:1", b"x")];
    let same = contents(&blobs, &[5; 5000], images);
    let again = create(&same, None, &made.stick(), &made.key, &Silent).unwrap();
    assert!(!again.changed && made.created.changed);
    assert_eq!(files(&made.stick()), before);
    let other = contents(&blobs, b"another k3s", Vec::new());
    let error = create(&other, None, &made.stick(), &made.key, &Silent).unwrap_err();
    assert_eq!(error.id(), "AL-BND-007");
    assert_eq!(files(&made.stick()), before);
}

#[test]
fn s3_a_bundle_without_the_right_signature_is_refused_and_a_skip_is_recorded() {
    let made = Made::new();
    let signature = made.created.manifest.with_extension("sig");
    let good = fs::read_to_string(&signature).unwrap();
    let why = |trust: &Trust| {
        let error = Bundle::open(&made.stick(), trust).unwrap_err();
        assert_eq!(error.id(), "AL-BND-002");
        error.to_string()
    };
    let stranger = SigningKey::generate().unwrap();
    assert!(why(&Trust::Key(stranger.public())).contains("another key"));
    let body = good.find("\n\n").unwrap() + 12;
    let other = if &good[body..=body] == "A" { "B" } else { "A" };
    fs::write(&signature, format!("{}{other}{}", &good[..body], &good[body + 1..])).unwrap();
    assert!(why(&made.trust()).contains("does not fit"));
    fs::write(&signature, "").unwrap();
    assert!(why(&made.trust()).contains("holds none"));
    fs::remove_file(&signature).unwrap();
    assert!(why(&made.trust()).contains("no signature"));
    fs::write(&signature, &good).unwrap();
    let mut manifest = fs::read(&made.created.manifest).unwrap();
    manifest.push(b'\n');
    fs::write(&made.created.manifest, manifest).unwrap();
    assert!(why(&made.trust()).contains("changed"));

    let skipped = made.verify_unsigned().unwrap();
    let receipt = Receipt::of(&skipped);
    assert_eq!((receipt.signature.as_str(), receipt.signed_by.as_deref()), ("skipped", None));
    let store = Store::new(&made.dir.path().join("store"));
    assert!(store.write_down(&receipt).unwrap());
    let written = made.dir.path().join(format!("store/bundles/{}.json", skipped.bundle().sha256()));
    let written: Receipt = serde_json::from_slice(&fs::read(written).unwrap()).unwrap();
    assert_eq!(written.signature, "skipped");
}

#[test]
fn s3_key_files_are_their_owners_only_and_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my.key");
    let key = SigningKey::generate().unwrap();
    key.save(&path).unwrap();
    assert_eq!(SigningKey::load(&path).unwrap().public(), key.public());
    let public = artifacts::bundle::PublicKey::load(&dir.path().join("my.key.pub")).unwrap();
    assert_eq!(public, key.public());
    assert!(!format!("{key:?}").contains("PRIVATE") && fs::read_to_string(&path).unwrap().contains("PRIVATE"));
    let error = SigningKey::generate().unwrap().save(&path).unwrap_err();
    assert_eq!(error.id(), "AL-BND-008");
    assert_eq!(SigningKey::load(&path).unwrap().public(), key.public());
    assert_eq!(SigningKey::load(&dir.path().join("my.key.pub")).unwrap_err().id(), "AL-BND-008");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn s4_everything_that_is_wrong_is_named_before_anything_is_given_away() {
    let made = Made::new();
    let last = made.created.parts.last().unwrap();
    let entry = made.verify().unwrap().manifest().entries.last().unwrap().clone();
    // in the last blob, behind it only padding and the end
    let mut bytes = fs::read(made.stick().join(last)).unwrap();
    let at = bytes.iter().rposition(|b| *b != 0).unwrap();
    bytes[at] ^= 1;
    fs::write(made.stick().join(last), bytes).unwrap();
    fs::remove_file(made.stick().join(&made.created.parts[1])).unwrap();
    let first = fs::File::options().write(true).open(made.stick().join(&made.created.parts[0])).unwrap();
    first.set_len(4095).unwrap();
    let found = all(&made.verify().unwrap_err());
    let has = |id: &str, text: &str| found.iter().any(|(i, t)| *i == id && t.contains(text));
    assert!(has("AL-BND-003", &made.created.parts[1]), "{found:?}");
    assert!(has("AL-BND-004", "4095 bytes instead of 4096"), "{found:?}");
    assert!(has("AL-BND-004", last), "{found:?}");
    assert!(has("AL-BND-005", &entry.sha256), "{found:?}");
    assert!(has("AL-BND-005", "bytes of it are missing"), "{found:?}");
}

#[test]
fn s5_the_same_lock_gives_the_same_bytes() {
    let made = Made::new();
    // other folders, another order, other times
    let elsewhere = tempfile::tempdir().unwrap();
    let (one, other) = (elsewhere.path().join("z/1"), elsewhere.path().join("a/2"));
    let images = vec![image(&other, "docker.io/library/b:2", &[7; 9000]), image(&one, "docker.io/library/a:1", b"x")];
    let mut contents = contents(&one, &[5; 5000], images);
    contents.images.reverse();
    contents.images.iter_mut().for_each(|i| i.blobs.reverse());
    contents.files.reverse();
    for entry in fs::read_dir(&one).unwrap() {
        let file = fs::File::options().append(true).open(entry.unwrap().path()).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let stick = elsewhere.path().join("stick");
    create(&contents, None, &stick, &made.key, &Silent).unwrap();
    assert_eq!(files(&stick), files(&made.stick()));
    assert!(files(&stick).len() > 5);
}

#[test]
fn s6_the_bill_of_materials_is_spdx_and_names_every_digest() {
    let made = Made::new();
    let bundle = made.verify().unwrap();
    let digests = crate::spdx::checked(&bundle.document("sbom.spdx.json").unwrap());
    for entry in bundle.manifest().entries.iter().filter(|e| e.path != "sbom.spdx.json") {
        assert!(digests.contains(&entry.sha256), "{} is not in it", entry.path);
    }
    assert!(bundle.manifest().images.iter().all(|i| digests.contains(&i.digest[7..])));
}

#[test]
fn a_file_that_changed_since_the_lock_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let contents = contents(&dir.path().join("blobs"), &[5; 5000], Vec::new());
    let stick = dir.path().join("stick");
    let key = SigningKey::generate().unwrap();
    let k3s = &contents.files.iter().find(|(name, _)| name == "k3s").unwrap().1;
    for (bytes, id) in [(vec![6; 5000], "AL-ART-002"), (vec![5; 4999], "AL-ART-003"), (vec![5; 5001], "AL-ART-003")] {
        fs::write(k3s, bytes).unwrap();
        let error = create(&contents, None, &stick, &key, &Silent).unwrap_err();
        assert_eq!(error.id(), id);
        assert!(error.to_string().contains("file k3s"), "{error}");
        assert!(!stick.join("lab.airbundle.json").exists());
    }
}

#[test]
fn s8_what_the_lock_names_must_be_given_as_the_lock_says() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = dir.path().join("blobs");
    let whole = contents(&blobs, b"k3s", vec![image(&blobs, "docker.io/library/a:1", b"x")]);
    let mut fewer = whole.clone();
    fewer.images.clear();
    let mut without = whole.clone();
    without.files.retain(|(name, _)| name != "k3s");
    let mut other = whole.clone();
    other.images = vec![image(&blobs, "docker.io/library/a:1", b"y")];
    let mut more = whole.clone();
    more.lock.images.clear();
    for (contents, what) in [(fewer, "a:1"), (without, "k3s"), (other, "the lock says"), (more, "not in the lock")] {
        let error = contents.manifest(None).unwrap_err();
        assert_eq!(error.id(), "AL-BND-009");
        assert!(error.to_string().contains(what), "{error}");
    }
    whole.manifest(None).unwrap();
}

#[test]
fn a_differential_bundle_holds_what_is_new_and_needs_its_base() {
    let made = Made::new();
    let blobs = made.dir.path().join("blobs");
    let images = vec![image(&blobs, "docker.io/library/b:2", &[7; 9000]), image(&blobs, "docker.io/library/c:3", b"c")];
    let newer = Contents { name: "lab2".into(), ..contents(&blobs, b"a newer k3s", images) };
    let base = Bundle::open(&made.stick(), &made.trust()).unwrap();
    let away = made.dir.path().join("away");
    let created = create(&newer, Some(&base), &away, &made.key, &Silent).unwrap();
    assert!(created.elsewhere > 0 && created.bytes + 9000 < made.created.bytes, "{created:?}");

    let alone = Bundle::open(&away, &made.trust()).unwrap();
    let difference = Difference::between(base.manifest(), alone.manifest());
    let names = |changes: &[artifacts::bundle::Change]| changes.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&difference.new), ["docker.io/library/c:3"]);
    assert_eq!(names(&difference.gone), ["docker.io/library/a:1"]);
    assert_eq!(names(&difference.changed), ["k3s"]);
    assert_eq!((difference.same, difference.changed[0].new_bytes), (2, 11));
    let carried = |m: &Manifest| m.entries[4..].iter().map(|e| e.size).sum::<u64>();
    assert_eq!(difference.new_bytes, carried(alone.manifest()));

    let verified = alone.clone().verify(&Silent).unwrap();
    let missing = verified.missing().len();
    assert_eq!(missing, created.elsewhere);
    assert!(verified.open(&sha256(b"the installer")).is_none());
    let store = Store::new(&made.dir.path().join("store"));
    assert_eq!(store.take(&verified, &Silent).unwrap_err().id(), "AL-BND-006");

    let with = alone.clone().with_base(base.clone()).unwrap().verify(&Silent).unwrap();
    assert!(with.missing().is_empty() && with.open(&sha256(b"the installer")).is_some());
    // beside it, it is found; damaged, it is noticed
    for (name, bytes) in files(&made.stick()) {
        fs::write(away.join(name), bytes).unwrap();
    }
    let path = away.join("lab2.airbundle.json");
    let found = Bundle::open(&path, &made.trust()).unwrap().verify(&Silent).unwrap();
    assert!(found.missing().is_empty());
    fs::remove_file(away.join("lab.airbundle.000")).unwrap();
    assert_eq!(Bundle::open(&path, &made.trust()).unwrap().verify(&Silent).unwrap_err().id(), "AL-BND-003");
    // another one is not taken for it
    assert_eq!(base.with_base(alone).unwrap_err().id(), "AL-BND-006");
}

#[test]
fn files_are_taken_once() {
    let made = Made::new();
    let verified = made.verify().unwrap();
    let dir = made.dir.path().join("store");
    let store = Store::new(&dir);
    let kept = store.take(&verified, &Silent).unwrap();
    assert_eq!(kept.iter().map(|k| (k.kind.as_str(), k.new)).collect::<Vec<_>>(), [("k3s", true), ("iso", true)]);
    assert_eq!(check("k3s", kept[0].artifact.path(), Some(&sha256(&[5; 5000]))).unwrap().size(), 5000);
    let again = store.take(&verified, &Silent).unwrap();
    assert!(again.iter().all(|k| !k.new));
    fs::write(kept[0].artifact.path(), [6; 5000]).unwrap();
    let again = Store::new(&dir).take(&verified, &Silent).unwrap();
    assert_eq!(again.iter().map(|k| k.new).collect::<Vec<_>>(), [true, false]);
    // changed between verification and import: hashed once more on its way
    fs::remove_file(kept[0].artifact.path()).unwrap();
    for part in &made.created.parts {
        let part = made.stick().join(part);
        let flipped: Vec<u8> = fs::read(&part).unwrap().iter().map(|b| b ^ 1).collect();
        fs::write(&part, flipped).unwrap();
    }
    assert_eq!(Store::new(&dir).take(&verified, &Silent).unwrap_err().id(), "AL-ART-002");
    assert!(!kept[0].artifact.path().exists());
}
