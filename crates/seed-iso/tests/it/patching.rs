//! Patching, inspecting and resetting a whole image.

use std::fs;

use seed_iso::{Iso, IsoError, Patch, ensure, inspect, patch, patch_checked, reset};

use crate::judge::{checksums_are_right, fixture, four_trees_agree, ours, partitions_are_sound};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn wish() -> Patch {
    Patch {
        kernel_args: words(&["autoinstall", "ds=nocloud;s=/cdrom/seed/"]),
        console_args: words(&["console=ttyS0"]),
        timeout: 1,
        ..Patch::default()
    }
}

fn with_files() -> Patch {
    let mut files = vec![
        ("/autoinstall.yaml".to_owned(), b"version: 1\n".to_vec()),
        ("seed/user-data".to_owned(), b"#cloud-config\n".to_vec()),
        ("seed/deep/er/meta-data".to_owned(), Vec::new()),
        ("pool/main/a/payload.tar".to_owned(), vec![0x5a; 3_000_001]),
        (".disk/info".to_owned(), b"replaced".repeat(400)),
    ];
    // more than fits into the root directory's block
    files.extend((0..30).map(|n| (format!("extra file {n:02}.bin"), vec![n; 100])));
    Patch { files, ..wish() }
}

#[test]
fn changed_arguments_alone_keep_the_size_and_every_other_byte() {
    let Some(src) = fixture() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dst = dir.path().join("installer.iso");
    let done = patch(src, &dst, &wish()).unwrap();
    let want = words(&["autoinstall", "ds=nocloud;s=/cdrom/seed/", "---", "console=ttyS0"]);
    assert_eq!((done.grown, done.size, &done.entry.args), (false, fs::metadata(src).unwrap().len(), &want));
    let (mut before, after) = (ours(src), ours(&dst));
    for name in ["boot/grub/grub.cfg", "boot/grub/loopback.cfg", "md5sum.txt"] {
        assert_ne!(before[name], after[name], "{name}");
        before.insert(name.to_owned(), after[name].clone());
    }
    assert!(before == after, "only these three files changed");
    insta::assert_snapshot!(String::from_utf8_lossy(&after["boot/grub/loopback.cfg"]));
    checksums_are_right(&dst);
    four_trees_agree(&dst);
    partitions_are_sound(&dst);
}

#[test]
fn new_files_and_folders_are_in_all_four_trees() {
    let Some(src) = fixture() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dst = dir.path().join("installer.iso");
    let wish = with_files();
    let done = patch(src, &dst, &wish).unwrap();
    assert!(done.grown && done.size == fs::metadata(&dst).unwrap().len());
    let after = ours(&dst);
    for (path, bytes) in &wish.files {
        assert!(&after[path.trim_start_matches('/')] == bytes, "{path}");
    }
    for (path, bytes) in ours(src) {
        let changed = path.ends_with(".cfg") || ["md5sum.txt", ".disk/info", "boot.catalog"].contains(&path.as_str());
        assert!(changed || after[&path] == bytes, "{path} is as it was");
    }
    checksums_are_right(&dst);
    four_trees_agree(&dst);
    partitions_are_sound(&dst);
    let image = fs::read(&dst).unwrap();
    let esp = image.windows(4096).filter(|w| w.iter().all(|b| *b == 0xe5)).count();
    assert_eq!(esp, testkit::iso::ESP_BYTES - 4095, "one whole copy of the EFI partition");
}

#[test]
fn reset_gives_the_source_back_byte_for_byte() {
    let Some(src) = fixture() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (dst, back) = (dir.path().join("installer.iso"), dir.path().join("back.iso"));
    let sum = Iso::sha256(src).unwrap();
    for (wish, check) in [(wish(), false), (with_files(), false), (with_files(), true)] {
        match check {
            true => patch_checked(src, &dst, &wish, &sum.to_uppercase()).unwrap(),
            false => patch(src, &dst, &wish).unwrap(),
        };
        let mark = inspect(&dst).unwrap().patched.unwrap();
        assert_eq!((mark.digest, mark.source_size), (wish.digest(), fs::metadata(src).unwrap().len()));
        assert_eq!(mark.source_sha256, check.then(|| sum.clone()));
        reset(&dst, &back).unwrap();
        assert_eq!(Iso::sha256(&back).unwrap(), sum);
    }
    assert!(matches!(reset(&back, &dst), Err(IsoError::NotPatched { .. })));
    fs::write(&back, b"text").unwrap();
    assert!(matches!(reset(&back, &dst), Err(IsoError::NotAnIso { .. })));
}

#[test]
fn the_same_wish_gives_the_same_bytes() {
    let Some(src) = fixture() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.iso"), dir.path().join("b.iso"));
    patch(src, &a, &with_files()).unwrap();
    patch(src, &b, &with_files()).unwrap();
    assert_eq!(Iso::sha256(&a).unwrap(), Iso::sha256(&b).unwrap());
}

#[test]
fn a_second_time_changes_nothing_until_the_wish_or_the_source_does() {
    let Some(src) = fixture() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (own, dst) = (dir.path().join("own.iso"), dir.path().join("installer.iso"));
    fs::copy(src, &own).unwrap();
    assert!(ensure(&own, &dst, &wish()).unwrap());
    assert!(!ensure(&own, &dst, &wish()).unwrap());
    let other = Patch { timeout: 2, ..wish() };
    assert!(ensure(&own, &dst, &other).unwrap());
    let mut image = fs::read(&own).unwrap();
    let sum = image.windows(20).position(|w| w.starts_with(b"  ./casper/vmlinuz")).unwrap();
    image[sum - 1] = if image[sum - 1] == b'0' { b'1' } else { b'0' };
    fs::write(&own, image).unwrap();
    assert!(ensure(&own, &dst, &other).unwrap(), "another source");
    fs::write(&dst, b"half a file").unwrap();
    assert!(ensure(&own, &dst, &other).unwrap(), "a damaged target is made again");
}

#[test]
fn an_image_is_inspected() {
    let Some(src) = fixture() else { return };
    let seen = inspect(src).unwrap();
    assert_eq!((seen.volume_id.as_str(), seen.patched), (testkit::iso::LABEL, None));
    assert_eq!(seen.entry.unwrap().args, ["---"]);
}

#[test]
fn what_cannot_be_patched_is_refused_and_nothing_is_left_behind() {
    let Some(src) = fixture() else { return };
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let image = fs::read(src).unwrap();
    let refused = |name: &str, bytes: &[u8], wish: &Patch| {
        fs::write(at(name), bytes).unwrap();
        let before = fs::read_dir(dir.path()).unwrap().count();
        let error = patch(&at(name), &at("out.iso"), wish).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), before, "{name}");
        error
    };
    let find = |what: &[u8]| image.windows(what.len()).position(|w| w == what).unwrap();

    assert!(matches!(refused("text.iso", b"not an image", &wish()), IsoError::NotAnIso { .. }));
    let error = refused("short.iso", &image[..image.len() / 2], &wish());
    assert!(matches!(error, IsoError::Truncated { .. }), "{error}");
    let mut damaged = image.clone();
    damaged[512 + 40] ^= 1;
    assert!(matches!(refused("gpt.iso", &damaged, &wish()), IsoError::Damaged { .. }));
    let mut none = image.clone();
    let menu = find(b"linux\t/casper/vmlinuz   ---\n\tinitrd\t/casper/initrd\n}\nmenuentry 'Ubuntu");
    none[menu..menu + 5].copy_from_slice(b"echo ");
    assert!(matches!(refused("menu.iso", &none, &wish()), IsoError::NoMenuEntry { .. }));
    let error = patch_checked(src, &at("out.iso"), &wish(), &"0".repeat(64)).unwrap_err();
    assert!(matches!(error, IsoError::WrongSha256 { .. }) && !at("out.iso").exists(), "{error}");
    patch(src, &at("once.iso"), &wish()).unwrap();
    let once = fs::read(at("once.iso")).unwrap();
    let error = refused("twice.iso", &once, &Patch { kernel_args: words(&["more"]), ..wish() });
    assert!(matches!(error, IsoError::AlreadyPatched { .. }), "{error}");
    for path in ["a/../b", "/a//b", "a:b", "boot", "boot/grub/grub.cfg/x"] {
        let odd = Patch { files: vec![(path.to_owned(), Vec::new())], ..wish() };
        let error = refused("odd.iso", &image, &odd);
        assert!(matches!(error, IsoError::BadWish { .. }), "{path}: {error}");
    }
    let odd = Patch { kernel_args: words(&["two\nlines"]), ..wish() };
    assert!(matches!(refused("odd.iso", &image, &odd), IsoError::BadWish { .. }));
}
