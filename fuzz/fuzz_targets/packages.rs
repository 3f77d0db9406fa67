//! A list of packages is read or refused; what is chosen from it is a file inside the repository.

#![no_main]

use artifacts::debian::{Release, closure, read_index, read_installed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Release::parse("Release", &String::from_utf8_lossy(bytes));
    let installed = read_installed("status", bytes, "amd64").unwrap_or_default();
    let Ok(offered) = read_index("Packages", bytes, "amd64") else { return };
    for package in offered.iter().take(8) {
        let file = package.file.as_ref().expect("an index names every file");
        assert!(file.path.split('/').all(|part| !part.is_empty() && part != ".."));
        assert_eq!(file.sha256.len(), 64);
        let wanted = [format!("{}={}", package.name, package.version)];
        let _ = closure(&offered, &[], &wanted);
        let Ok(all) = closure(&offered, &installed, &wanted) else { continue };
        assert!(all.iter().all(|p| p.file.is_some()));
    }
});
