//! `airlab bundle`, from a lock to a registry's store and back.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Cmd, Local, Output};
use registry_mirror::{Digest, Store};
use serde_json::Value;
use tempfile::TempDir;

const IMAGE: &str = "docker.io/airlab/test:1";

/// A folder with a lock, what it names, and a key.
struct World {
    dir: TempDir,
}

impl World {
    fn new(payload: u64) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        // no holes: reading holes costs nothing
        let big = fs::File::create(world.path("k3s")).unwrap();
        std::io::copy(&mut std::io::repeat(b'k').take(payload), &mut { big }).unwrap();
        let digest = image(&world.path("images"));
        let k3s = artifacts::check("k3s", &world.path("k3s"), None).unwrap();
        let lock = format!(
            "[[artifact]]\nname = 'k3s'\nkind = 'k3s'\nversion = '1'\nsize = {}\nsha256 = '{}'\nsources = ['k3s']\n\
             [[image]]\nname = '{IMAGE}'\ndigest = '{digest}'\nsize = 1\n",
            k3s.size(),
            k3s.sha256()
        );
        fs::write(world.path("airlab.lock"), lock).unwrap();
        world.ok(&["bundle", "key", "my.key"]);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn cmd(&self, args: &[&str]) -> Cmd {
        self.around(Cmd::new(env!("CARGO_BIN_EXE_airlab")).args(args.iter().copied()))
    }

    fn around(&self, cmd: Cmd) -> Cmd {
        let cmd = cmd.dir(self.dir.path()).env("AIRLAB_CACHE", self.path("cache")).env("LC_ALL", "C.UTF-8");
        cmd.timeout(Duration::from_secs(120))
    }

    fn run(&self, args: &[&str]) -> Output {
        Local.run(&self.cmd(args)).unwrap()
    }

    fn ok(&self, args: &[&str]) -> Output {
        let out = self.run(args);
        assert_eq!(out.code, 0, "{args:?}: {}", out.error_text());
        out
    }

    fn create(&self, to: &str) -> Output {
        let of = ["bundle", "create", "lab", "--key", "my.key", "--lock", "airlab.lock", "--images", "images"];
        self.ok(&[&of[..], &["--part-size", "64K", "--to", to]].concat())
    }

    fn import(&self, how: &[&str]) -> Output {
        let into = ["bundle", "import", "stick", "--store", "registry", "--files", "files", "--output", "json"];
        self.run(&[&into[..], how].concat())
    }
}

/// An image of one layer in a store; gives its digest.
fn image(dir: &Path) -> Digest {
    let (config, layer) = (b"{}".to_vec(), vec![7; 100_000]);
    let part = |b: &[u8]| format!(r#"{{"digest": "{}", "size": {}}}"#, Digest::of(b), b.len());
    let manifest = format!(r#"{{"schemaVersion": 2, "config": {}, "layers": [{}]}}"#, part(&config), part(&layer));
    let digest = Digest::of(manifest.as_bytes());
    let all = [config, layer, manifest.into_bytes()];
    let carried = |wanted: &Digest| -> Option<Box<dyn Read>> {
        let found = all.iter().find(|b| Digest::of(b) == *wanted)?;
        Some(Box::new(std::io::Cursor::new(found.clone())))
    };
    Store::open(dir).unwrap().take_image(IMAGE, &digest, &carried).unwrap();
    digest
}

/// Every file below a folder: time of change, and content.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            let meta = fs::metadata(&path).unwrap();
            found.insert(path.clone(), (meta.mtime(), meta.mtime_nsec(), fs::read(&path).unwrap()));
        }
    }
    found
}

fn json(out: &Output) -> Value {
    serde_json::from_str(&out.text()).unwrap_or_else(|e| panic!("{e}: {}", out.text()))
}

const TRUST: &[&str] = &["--trust", "my.key.pub"];

#[test]
fn a_bundle_is_imported_once_and_a_second_import_changes_nothing() {
    let world = World::new(200_000);
    world.create("stick");
    let plan = json(&world.import(&[TRUST, &["--plan"]].concat()));
    assert_eq!((&plan["files"][0], &plan["images"][0]), (&"k3s".into(), &IMAGE.into()));
    assert!(!world.path("registry").exists() && !world.path("files").exists());

    let first = json(&world.import(TRUST));
    assert_eq!((&first["changed"], &first["signature"]), (&true.into(), &"checked".into()));
    assert_eq!(Store::open(&world.path("registry")).unwrap().verify().unwrap().findings.len(), 0);
    let (registry, files) = (tree(&world.path("registry")), tree(&world.path("files")));
    let second = json(&world.import(TRUST));
    assert_eq!((&second["changed"], &second["present"]), (&false.into(), &2.into()));
    let names = |tree: &BTreeMap<PathBuf, (i64, i64, Vec<u8>)>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&tree(&world.path("registry"))), names(&registry));
    assert!(tree(&world.path("registry")) == registry, "the registry's store was written to");
    let mut after = tree(&world.path("files"));
    // only the cache of hashes may be new
    after.remove(&world.path("files/verdicts.json"));
    assert!(after.iter().all(|(path, content)| files.get(path) == Some(content)), "files were written to");
}

#[test]
fn s3_nothing_is_imported_without_a_key_or_an_explicit_word() {
    let world = World::new(1000);
    world.create("stick");
    assert_eq!(world.import(&[]).code, 2);
    fs::remove_file(world.path("stick/lab.airbundle.sig")).unwrap();
    let refused = world.import(TRUST);
    assert_eq!((refused.code, &json(&refused)["id"]), (40, &"AL-BND-002".into()));
    assert!(!world.path("registry").exists() && !world.path("files").exists());
    let skipped = json(&world.import(&["--skip-signature"]));
    assert_eq!((&skipped["signature"], &skipped["signed_by"]), (&"skipped".into(), &Value::Null));
    let receipt =
        fs::read(world.path(&format!("files/bundles/{}.json", skipped["manifest"].as_str().unwrap()))).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&receipt).unwrap()["signature"], "skipped");
}

#[test]
fn s4_a_damaged_last_blob_means_not_one_write() {
    let world = World::new(200_000);
    world.create("stick");
    let manifest = fs::read(world.path("stick/lab.airbundle.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let last = manifest["parts"].as_array().unwrap().last().unwrap()["file"].as_str().unwrap().to_owned();
    let part = world.path("stick").join(&last);
    let mut bytes = fs::read(&part).unwrap();
    let at = bytes.iter().rposition(|b| *b != 0).unwrap();
    bytes[at] ^= 1;
    fs::write(&part, bytes).unwrap();
    let refused = world.import(TRUST);
    let told = json(&refused);
    assert_eq!((refused.code, &told["id"]), (40, &"AL-BND-004".into()));
    assert!(told.to_string().contains(&last) && told.to_string().contains("AL-BND-005"), "{told}");
    assert!(!world.path("registry").exists() && !world.path("files").exists());
    assert_eq!(world.run(&["bundle", "verify", "stick", "--trust", "my.key.pub"]).code, 40);
}

#[test]
fn s5_neither_umask_nor_time_zone_nor_place_change_a_byte() {
    let world = World::new(200_000);
    world.create("stick");
    let other = World::new(200_000);
    fs::copy(world.path("my.key"), other.path("my.key")).unwrap();
    let line = "umask 077; TZ=Asia/Seoul exec \"$0\" bundle create lab --key my.key --lock airlab.lock --images images \
                --part-size 64K --to away/deep";
    let shell = Cmd::new("sh").args(["-c", line, env!("CARGO_BIN_EXE_airlab")]);
    let out = Local.run(&other.around(shell)).unwrap();
    assert_eq!(out.code, 0, "{}", out.error_text());
    let names = |dir: &Path| {
        let files = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
        files.map(|p| (p.file_name().unwrap().to_owned(), fs::read(p).unwrap())).collect::<BTreeMap<_, _>>()
    };
    let (one, two) = (names(&world.path("stick")), names(&other.path("away/deep")));
    assert!(one == two && one.len() > 6, "{:?} {:?}", one.keys(), two.keys());
}

#[test]
fn a_differential_bundle_is_imported_after_its_base_only() {
    let world = World::new(200_000);
    world.create("old");
    let lock = fs::read_to_string(world.path("airlab.lock")).unwrap();
    fs::write(world.path("kubectl"), "kubectl").unwrap();
    let kubectl = artifacts::check("kubectl", &world.path("kubectl"), None).unwrap();
    let more = format!(
        "[[artifact]]\nname = 'kubectl'\nkind = 'kubectl'\nversion = '1'\nsize = 7\nsha256 = '{}'\nsources = ['kubectl']\n",
        kubectl.sha256()
    );
    fs::write(world.path("airlab.lock"), more + &lock).unwrap();
    let of = ["bundle", "create", "next", "--key", "my.key", "--lock", "airlab.lock", "--images", "images"];
    let since = ["--since", "old", "--to", "stick", "--output", "json"];
    let made = json(&world.ok(&[&of[..], &since].concat()));
    assert!(made["elsewhere"].as_u64().unwrap() >= 4 && made["bytes"].as_u64().unwrap() < 100_000, "{made}");
    let difference = json(&world.ok(&["bundle", "diff", "old", "stick", "--output", "json"]));
    assert_eq!((&difference["new"][0]["name"], &difference["new_bytes"]), (&"kubectl".into(), &7.into()));

    let refused = world.import(TRUST);
    assert_eq!((refused.code, &json(&refused)["id"]), (40, &"AL-BND-006".into()));
    assert!(!world.path("registry").exists() && !world.path("files").exists());
    let with = json(&world.import(&[TRUST, &["--base", "old", "--plan"]].concat()));
    assert_eq!(with["files"].as_array().unwrap().len(), 2);
    world.ok(&["bundle", "import", "old", "--store", "registry", "--files", "files", "--trust", "my.key.pub"]);
    let imported = json(&world.import(TRUST));
    assert_eq!((&imported["files"][0], &imported["present"]), (&"kubectl".into(), &2.into()));
}

/// Peak of the memory a command uses, in MiB, as the kernel counts it.
#[cfg(target_os = "linux")]
fn peak(world: &World, args: &[&str]) -> u64 {
    let watch = r#""$@" > out & p=$!; while v=$(grep VmHWM /proc/$p/status) 2>/dev/null; do echo "$v" > peak; sleep 0.02; done; wait $p"#;
    let cmd = Cmd::new("sh").args(["-c", watch, "sh", env!("CARGO_BIN_EXE_airlab")]).args(args.iter().copied());
    let out = Local.run(&world.around(cmd)).unwrap();
    assert_eq!(out.code, 0, "{args:?}: {}", out.error_text());
    let seen = fs::read_to_string(world.path("peak")).unwrap();
    seen.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_depend_on_the_size_of_what_is_carried() {
    let world = World::new(300 << 20);
    let create = ["bundle", "create", "lab", "--key", "my.key", "--lock", "airlab.lock", "--images", "images"];
    let import = ["bundle", "import", "stick", "--store", "registry", "--files", "files", "--trust", "my.key.pub"];
    let create = peak(&world, &[&create[..], &["--to", "stick"]].concat());
    let import = peak(&world, &import);
    assert!(create < 64 && import < 64, "create {create} MiB, import {import} MiB");
}
