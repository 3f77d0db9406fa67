use kubecfg::{Kubeconfig, merge_into, read, remove_from, save};

#[test]
fn a_file_is_saved_with_a_backup_for_its_owner_alone_and_only_when_it_differs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kube/config");
    assert_eq!(read(&path).unwrap(), "");
    assert_eq!(save(&path, "one\n").unwrap().backup, None);
    assert!(!save(&path, "one\n").unwrap().changed);
    let saved = save(&path, "two\n").unwrap();
    assert_eq!(std::fs::read_to_string(saved.backup.unwrap()).unwrap(), "one\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        save(&link, "three\n").unwrap();
        assert!(link.is_symlink());
        assert_eq!(read(&path).unwrap(), "three\n");
    }
}

#[test]
fn a_file_that_we_made_goes_away_again() {
    let ours = Kubeconfig::admin("demo", "https://h:6443", "CA", "CERT", &"KEY".into());
    let (text, _) = merge_into("", &ours).unwrap();
    assert_eq!(Kubeconfig::parse(&text).unwrap().name(), "demo");
    assert_eq!(remove_from(&text, "demo").unwrap(), "");
}
