//! The CIDATA image, read by others.

use seed_iso::Cidata;
use testkit::peer;

fn seed() -> Cidata {
    Cidata {
        user_data: format!("#cloud-config\n# {}\n", "long ".repeat(2000)),
        meta_data: "instance-id: master\n".into(),
        network_config: Some("version: 2\n".into()),
    }
}

#[test]
fn other_programs_read_both_trees() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cidata.iso");
    seed().write(&path).unwrap();
    let name = path.to_str().unwrap();
    for without in ["joliet", "rockridge"] {
        let option = format!("iso9660:!{without}");
        for (file, text) in [("user-data", seed().user_data), ("meta-data", seed().meta_data)] {
            let Some(out) = peer("bsdtar", ["--options", &option, "-xOf", name, file]) else { return };
            assert!(out.stdout == text.as_bytes(), "!{without} {file}: {}", out.error_text());
        }
    }
    if let Some(out) = peer("blkid", ["-p", "-o", "export", name]) {
        assert!(out.text().contains("LABEL=CIDATA") && out.text().contains("TYPE=iso9660"), "{}", out.text());
    }
    if let Some(out) = peer("xorriso", ["-indev", name, "-find", "/", "-exec", "lsdl"]) {
        assert!(out.code == 0 && out.text().contains("network-config"), "{}", out.error_text());
        assert!(out.text().contains("-r--------") && !out.error_text().contains("WARNING"), "{}", out.error_text());
    }
}

#[cfg(unix)]
#[test]
fn only_this_user_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cidata.iso");
    std::fs::write(&path, "an older, open file").unwrap();
    assert!(seed().write(&path).unwrap());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!seed().write(&path).unwrap());
}
