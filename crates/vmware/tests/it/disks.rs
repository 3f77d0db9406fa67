//! Disks we make, judged by qemu-img where it is installed.

use vmware::{DiskFormat, Vmdk, VmdkError, is_blank};

/// Runs qemu-img; `None` (with a printed reason) where it is not installed.
fn peer(args: &[&str]) -> Option<String> {
    let out = testkit::peer("qemu-img", args)?;
    assert!(out.code == 0, "qemu-img {args:?}: {}", out.error_text());
    Some(out.text())
}

#[test]
fn a_sparse_disk_is_clean_and_readable_when_written_by_another_program() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a disk.vmdk");
    let name = path.to_str().unwrap();
    Vmdk { capacity_bytes: 40 << 30, format: DiskFormat::Sparse }.create(&path).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() == 5_308_416, "the size another writer makes for 40 GiB");
    assert!(is_blank(&path).unwrap());
    let Some(info) = peer(&["info", "--output=json", name]) else { return };
    assert!(info.contains("\"virtual-size\": 42949672960") && info.contains("monolithicSparse"), "{info}");
    peer(&["check", name]).unwrap();
    let raw = dir.path().join("start.raw");
    std::fs::write(&raw, [b"boot".as_slice(), &[7; 70_000]].concat()).unwrap();
    peer(&["dd", "-f", "raw", "-O", "vmdk", &format!("if={}", raw.display()), &format!("of={name}.2")]).unwrap();
    let written = Vmdk::open(&dir.path().join("a disk.vmdk.2")).unwrap();
    let mut start = vec![0; 70_000];
    written.read_at(0, &mut start).unwrap();
    assert!(start.starts_with(b"boot\x07") && start[66_000..].iter().all(|b| *b == 7));
    assert!(!is_blank(&dir.path().join("a disk.vmdk.2")).unwrap());
}

#[test]
fn a_flat_disk_is_a_raw_file_beside_its_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("worker1.vmdk");
    Vmdk { capacity_bytes: 64 << 20, format: DiskFormat::Flat }.create(&path).unwrap();
    let disk = Vmdk::open(&path).unwrap();
    assert_eq!((disk.extent.clone(), disk.extent_offset), (dir.path().join("worker1-flat.vmdk"), 0));
    assert!(is_blank(&path).unwrap());
    insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap());
    if let Some(info) = peer(&["info", "--output=json", path.to_str().unwrap()]) {
        assert!(info.contains("\"virtual-size\": 67108864") && info.contains("monolithicFlat"), "{info}");
    }
    let mut bytes = vec![0; 512];
    bytes[510..].copy_from_slice(&[0x55, 0xaa]);
    let mut raw = std::fs::File::options().write(true).open(&disk.extent).unwrap();
    std::io::Write::write_all(&mut raw, &bytes).unwrap();
    assert!(!is_blank(&path).unwrap());
}

#[test]
fn a_raw_file_left_without_its_descriptor_is_used_only_where_it_is_blank() {
    let dir = tempfile::tempdir().unwrap();
    let (path, raw) = (dir.path().join("d.vmdk"), dir.path().join("d-flat.vmdk"));
    let disk = Vmdk::new(4 << 20, DiskFormat::Flat);
    std::fs::File::create(&raw).unwrap().set_len(4 << 20).unwrap();
    disk.create(&path).unwrap();
    assert!(vmware::is_blank(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    let mut bytes = vec![0; 4 << 20];
    bytes[512] = 1;
    std::fs::write(&raw, &bytes).unwrap();
    assert!(disk.create(&path).is_err());
    assert_eq!(std::fs::read(&raw).unwrap(), bytes);
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.vmdk");
    std::fs::write(&path, "precious").unwrap();
    for format in [DiskFormat::Sparse, DiskFormat::Flat] {
        let error = Vmdk { capacity_bytes: 64 << 20, format }.create(&path).unwrap_err();
        assert!(matches!(error, VmdkError::Io { .. }), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    assert!(matches!(Vmdk::open(&path), Err(VmdkError::Unknown { .. })));
}
