//! The second reader agrees.

use seed_iso::{Patch, patch, verify};

use crate::judge::fixture;

#[test]
fn both_readers_see_the_same_files() {
    let Some(src) = fixture() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dst = dir.path().join("installer.iso");
    let files = vec![("seed/user-data".to_owned(), vec![b'x'; 5000])];
    patch(src, &dst, &Patch { kernel_args: vec!["autoinstall".into()], timeout: 1, files, ..Patch::default() })
        .unwrap();
    let (before, after) = (verify(src).unwrap(), verify(&dst).unwrap());
    assert_eq!((after.files, after.too_large), (before.files + 1, 0));
    assert!(before.files > 45 && before.bytes > 400_000);
}
