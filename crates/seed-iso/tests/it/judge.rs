//! The fixture, and what other programs say about an image.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use seed_iso::{Iso, Kind};
use testkit::peer;

/// The fixture, made once for all tests; `None` where it cannot be made.
pub(crate) fn fixture() -> Option<&'static Path> {
    static MADE: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = testkit::iso::ubuntu(dir.path(), &|bytes| format!("{:x}", md5::compute(bytes)))?;
        Some((dir, path))
    });
    made.as_ref().map(|(_, path)| path.as_path())
}

/// All files of an image, by our own reader.
pub(crate) fn ours(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let iso = Iso::open(path).unwrap();
    let files = iso.entries().iter().filter(|e| e.kind == Kind::File);
    files.map(|e| (e.path[1..].to_owned(), iso.read(&e.path).unwrap())).collect()
}

/// All files of one tree of an image, by libarchive.
fn theirs(path: &Path, without: &str, dir: &Path) -> Option<BTreeMap<String, Vec<u8>>> {
    let out = dir.join(format!("{}-{without}", path.file_name().unwrap().to_string_lossy()));
    fs::create_dir_all(&out).unwrap();
    let (from, to) = (path.to_str().unwrap(), out.to_str().unwrap());
    let option = format!("iso9660:!{without}");
    let run = peer("bsdtar", ["--no-same-permissions", "--options", &option, "-xf", from, "-C", to])?;
    assert!(run.code == 0, "bsdtar !{without}: {}", run.error_text());
    let mut found = BTreeMap::new();
    let mut dirs = vec![out.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                dirs.push(entry.path());
            } else if kind.is_file() {
                let name = entry.path().strip_prefix(&out).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    Some(found)
}

/// All four trees hold the same files as our reader sees: Rock Ridge and Joliet, whole image and first partition.
pub(crate) fn four_trees_agree(path: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let want = ours(path);
    let image = fs::read(path).unwrap();
    let entry = |n: usize| u64::from_le_bytes(image[n..n + 8].try_into().unwrap()) as usize * 512;
    let table = u64::from_le_bytes(image[584..592].try_into().unwrap()) as usize * 512;
    let (start, end) = (entry(table + 32), entry(table + 40) + 512);
    let part = dir.path().join("part1.img");
    fs::write(&part, &image[start..end]).unwrap();
    for file in [path, &part] {
        for without in ["joliet", "rockridge"] {
            let Some(have) = theirs(file, without, dir.path()) else { return };
            assert_eq!(have.keys().collect::<Vec<_>>(), want.keys().collect::<Vec<_>>(), "{file:?} !{without}");
            for (name, bytes) in &want {
                // the boot catalogue tells the same to whoever reads it; its copy in the partition is the same block
                assert!(&have[name] == bytes, "{file:?} !{without}: {name} differs");
            }
        }
    }
}

/// sgdisk finds nothing to complain about, and the EFI entry of El Torito is GPT partition 2.
pub(crate) fn partitions_are_sound(path: &Path) {
    let name = path.to_str().unwrap();
    if let Some(out) = peer("sgdisk", ["-v", name]) {
        assert!(out.text().contains("No problems found"), "{}", out.text());
    }
    if let Some(out) = peer("xorriso", ["-indev", name, "-report_el_torito", "plain", "-report_system_area", "plain"]) {
        let text = out.text();
        let word = |front: &str, n: usize| {
            let line = text.lines().find(|l| l.starts_with(front)).unwrap_or_else(|| panic!("no {front}: {text}"));
            line.rsplit_once(':').unwrap().1.split_whitespace().nth(n).unwrap().parse::<u64>().unwrap()
        };
        let efi = text.lines().find(|l| l.starts_with("El Torito boot img :   2  UEFI")).expect("an EFI entry");
        let block: u64 = efi.split_whitespace().last().unwrap().parse().unwrap();
        assert_eq!(block * 4, word("GPT start and size :   2", 0).max(word("GPT start and size :   2", 1)), "{text}");
    }
}

/// Every line of md5sum.txt is right.
pub(crate) fn checksums_are_right(path: &Path) {
    let files = ours(path);
    let list = String::from_utf8(files["md5sum.txt"].clone()).unwrap();
    assert!(list.lines().count() > 40);
    for line in list.lines() {
        let (sum, name) = line.split_once("  ./").unwrap();
        assert_eq!(sum, format!("{:x}", md5::compute(&files[name])), "{name}");
    }
}
