//! The Debian packages whose programs build the parts.

use std::path::Path;

use crate::{Error, Result};

/// A package and a file that is there when it is installed.
const NEEDED: &[(&str, &str)] = &[
    ("busybox-static", "/bin/busybox"),
    ("cpio", "/usr/bin/cpio"),
    ("debian-archive-keyring", "/usr/share/keyrings/debian-archive-keyring.gpg"),
    ("dosfstools", "/usr/sbin/mkfs.vfat"),
    ("gcc", "/usr/bin/gcc"),
    ("golang-1.19-go", "/usr/lib/go-1.19/bin/go"),
    ("grub-common", "/usr/bin/grub-mkimage"),
    ("grub-efi-amd64-bin", "/usr/lib/grub/x86_64-efi/linux.mod"),
    ("grub-pc-bin", "/usr/lib/grub/i386-pc/boot_hybrid.img"),
    ("kmod", "/usr/sbin/modprobe"),
    ("libc6-dev", "/usr/lib/x86_64-linux-gnu/libc.a"),
    ("mmdebstrap", "/usr/bin/mmdebstrap"),
    ("mtools", "/usr/bin/mcopy"),
    ("xorriso", "/usr/bin/xorriso"),
];

/// The Debian packages that must be installed before [`crate::build`].
///
/// ```
/// assert!(demolab::packages().contains(&"mmdebstrap"));
/// ```
pub fn packages() -> &'static [&'static str] {
    const NAMES: [&str; NEEDED.len()] = {
        let mut names = [""; NEEDED.len()];
        let mut i = 0;
        while i < names.len() {
            names[i] = NEEDED[i].0;
            i += 1;
        }
        names
    };
    &NAMES
}

/// Nothing is built while a package is missing: the error names all of them.
pub(crate) fn check() -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Err(Error::NotLinux);
    }
    let packages: Vec<_> = NEEDED.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(name, _)| *name).collect();
    if packages.is_empty() { Ok(()) } else { Err(Error::Missing { packages }) }
}
