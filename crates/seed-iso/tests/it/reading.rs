//! The reader on an image that another program made.

use crate::judge::{fixture, four_trees_agree, ours, partitions_are_sound};

#[test]
fn every_file_is_there_with_its_bytes() {
    let Some(src) = fixture() else { return };
    let have = ours(src);
    for (path, bytes) in testkit::iso::files() {
        let patched_by_xorriso = path.ends_with("eltorito.img");
        assert!(patched_by_xorriso || have[&path] == bytes, "{path}");
    }
    four_trees_agree(src);
    partitions_are_sound(src);
}

#[cfg(unix)]
#[test]
fn an_image_is_extracted_with_modes_and_links() {
    use std::os::unix::fs::PermissionsExt;

    use seed_iso::{Iso, Kind};

    let Some(src) = fixture() else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let iso = Iso::open(src).unwrap();
    iso.extract(&out).unwrap();
    assert_eq!(iso.entry("ubuntu").unwrap().kind, Kind::Symlink(".".into()));
    assert_eq!(std::fs::read_link(out.join("ubuntu")).unwrap().to_str(), Some("."));
    assert_eq!(std::fs::read(out.join("ubuntu/casper/vmlinuz")).unwrap(), iso.read("casper/vmlinuz").unwrap());
    assert_eq!(out.join("casper/vmlinuz").metadata().unwrap().permissions().mode() & 0o777, 0o444);
    assert!(iso.extract(&out).is_err(), "nothing is overwritten");
}
