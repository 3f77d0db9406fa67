//! Small Debian packages.

use std::fs;
use std::path::{Path, PathBuf};

/// Makes `DIR/NAME_VERSION_all.deb` with one program, `/usr/bin/NAME`, that prints its name and version. `depends` is the
/// field of that name, empty for none. `None`, with a printed reason, where there is no dpkg-deb.
///
/// # Panics
/// When a file cannot be written, or dpkg-deb refuses what it gets.
pub fn deb(dir: &Path, name: &str, version: &str, depends: &str) -> Option<PathBuf> {
    // as Debian's own files, which leave an epoch out
    let short = version.rsplit(':').next().unwrap_or(version);
    let tree = dir.join(format!("{name}-{short}"));
    let (control, bin) = (tree.join("DEBIAN/control"), tree.join("usr/bin").join(name));
    let mut fields = format!("Package: {name}\nVersion: {version}\nArchitecture: all\n");
    if !depends.is_empty() {
        fields.push_str(&format!("Depends: {depends}\n"));
    }
    fields.push_str("Maintainer: nobody <nobody@invalid>\nDescription: made by a test\n");
    machine::write_file(&control, fields.as_bytes(), 0o644).expect("a control file");
    machine::write_file(&bin, format!("#!/bin/sh\necho {name} {version}\n").as_bytes(), 0o755).expect("a program");
    let file = dir.join(format!("{name}_{short}_all.deb"));
    let words = ["--build", "--root-owner-group"].map(PathBuf::from).into_iter().chain([tree.clone(), file.clone()]);
    let built = crate::peer("dpkg-deb", words)?;
    assert_eq!(built.code, 0, "{}", built.error_text());
    fs::remove_dir_all(tree).expect("the tree is gone");
    Some(file)
}
