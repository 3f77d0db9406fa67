//! Images made to hurt: no panic, no endless loop, nothing outside the target folder.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use seed_iso::{Cidata, Iso, IsoError, Patch, inspect, patch};

use crate::judge::fixture;

fn small() -> Vec<u8> {
    Cidata { user_data: "#cloud-config\n".into(), meta_data: "x\n".into(), network_config: None }.render()
}

/// Whatever the bytes are, every operation comes to an end.
fn all_of_it(path: &Path, dir: &Path) {
    if let Ok(iso) = Iso::open(path) {
        for entry in iso.entries() {
            let _ = iso.read(&entry.path);
        }
    }
    let _ = inspect(path);
    let _ = patch(path, &dir.join("out.iso"), &Patch { kernel_args: vec!["autoinstall".into()], ..Patch::default() });
}

/// The name of the file `meta-data` in the Rock Ridge tree, replaced by another of the same length.
fn renamed(name: &[u8; 9]) -> Vec<u8> {
    let mut image = small();
    let at = image.windows(9).position(|w| w == b"meta-data").unwrap();
    image[at..at + 9].copy_from_slice(name);
    image
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("evil.iso");
    for name in [b"../../abc", b"/tmp/evil", b"meta\0data"] {
        fs::write(&path, renamed(name)).unwrap();
        assert!(matches!(Iso::open(&path), Err(IsoError::Damaged { .. })), "{name:?}");
    }
    let mut dots = small();
    let at = dots.windows(14).position(|w| w == b"NM\x0e\x01\0meta-data").unwrap();
    dots[at..at + 7].copy_from_slice(b"NM\x07\x01\0..");
    fs::write(&path, dots).unwrap();
    assert!(matches!(Iso::open(&path), Err(IsoError::Damaged { .. })));
}

#[test]
fn a_directory_inside_itself_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("loop.iso");
    let mut image = small();
    let name = image.windows(13).position(|w| w == b"META_DATA.;1\0" || w == b"META_DATA.;1P").unwrap();
    let record = name - 33;
    image.copy_within(16 * 2048 + 156 + 2..16 * 2048 + 156 + 18, record + 2);
    image[record + 25] = 2;
    fs::write(&path, image).unwrap();
    assert!(matches!(Iso::open(&path), Err(IsoError::Damaged { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mutated_small_images_end(at in proptest::collection::vec((32768_usize..55_000, any::<u8>()), 1..12)) {
        let dir = tempfile::tempdir().unwrap();
        let mut image = small();
        let len = image.len();
        at.into_iter().for_each(|(n, b)| image[n % len] = b);
        let path = dir.path().join("m.iso");
        fs::write(&path, image).unwrap();
        all_of_it(&path, dir.path());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn mutated_installers_end(at in proptest::collection::vec((0_usize..2_000_000, any::<u8>()), 1..40), cut in 0_usize..9) {
        let Some(src) = fixture() else { return Ok(()) };
        let dir = tempfile::tempdir().unwrap();
        let mut image = fs::read(src).unwrap();
        let places = [0, 512, 1024, 16 * 2048, 17 * 2048, 32 * 2048, 48 * 2048];
        for (n, b) in at {
            let near = places[n % places.len()] + n / places.len() % 4096;
            let len = image.len();
            image[if n % 3 == 0 { n % len } else { near }] = b;
        }
        if cut == 0 {
            image.truncate(image.len() * 3 / 4);
        }
        let path = dir.path().join("m.iso");
        fs::write(&path, image).unwrap();
        all_of_it(&path, dir.path());
    }
}
