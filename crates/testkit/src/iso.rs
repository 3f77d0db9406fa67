//! A tiny ISO with the structure of an Ubuntu 22.04 live-server ISO, made by xorriso with the options that Ubuntu's
//! own images report: two descriptor sets, Rock Ridge and Joliet, El Torito for BIOS and EFI, an appended EFI system
//! partition, both partition tables. Nothing in it boots.

use std::fs;
use std::path::{Path, PathBuf};

use crate::peer;

/// The label of the volume.
pub const LABEL: &str = "Ubuntu-Server 22.04.5 LTS amd64";
/// Size of the EFI system partition, in bytes.
pub const ESP_BYTES: usize = 64 << 10;

const MENU: &str = include_str!("grub.cfg");
const LOOPBACK: &str = "menuentry \"Try or Install Ubuntu Server\" {\n\tset gfxpayload=keep\n\
    \tlinux\t/casper/vmlinuz   iso-scan/filename=${iso_path} ---\n\tinitrd\t/casper/initrd\n}\n";

/// The files of the image, path and bytes; `md5sum.txt` comes on top.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let noise = |seed: u64, len: usize| {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..len).map(next).collect::<Vec<u8>>()
    };
    let mut files = vec![
        (".disk/info".to_owned(), b"Ubuntu-Server 22.04.5 LTS \"Jammy Jellyfish\" - Release amd64 (fixture)".to_vec()),
        ("EFI/boot/bootx64.efi".to_owned(), noise(1, 5000)),
        ("boot/grub/grub.cfg".to_owned(), MENU.into()),
        ("boot/grub/loopback.cfg".to_owned(), LOOPBACK.into()),
        ("boot/grub/i386-pc/eltorito.img".to_owned(), noise(2, 26_000)),
        ("boot/grub/x86_64-efi/grub.cfg".to_owned(), b"source /boot/grub/grub.cfg\n".to_vec()),
        ("casper/vmlinuz".to_owned(), noise(3, 70_000)),
        ("casper/initrd".to_owned(), noise(4, 90_000)),
        ("casper/a rather long name, with spaces and $igns (한글).squashfs".to_owned(), noise(5, 300_000)),
    ];
    for n in 1..40_u64 {
        let path = format!("pool/main/{}/pkg{n}/pkg{n}_1.0-{n}ubuntu1_amd64.deb", (b'a' + (n % 7) as u8) as char);
        files.push((path, noise(100 + n, 300 + n as usize * 97)));
    }
    files
}

/// Writes the image into `dir` and gives back its path; `None`, with a printed reason, without xorriso.
///
/// # Panics
/// When files cannot be written or xorriso fails.
pub fn ubuntu(dir: &Path, sums: &dyn Fn(&[u8]) -> String) -> Option<PathBuf> {
    let tree = dir.join("tree");
    let mut list = String::new();
    for (path, bytes) in files() {
        let file = tree.join(&path);
        fs::create_dir_all(file.parent().expect("every file is in a folder")).expect("folder of a fixture");
        fs::write(&file, &bytes).expect("file of a fixture");
        if !path.starts_with("EFI/") && !path.ends_with("eltorito.img") {
            list.push_str(&format!("{}  ./{path}\n", sums(&bytes)));
        }
    }
    fs::write(tree.join("md5sum.txt"), list).expect("list of checksums");
    #[cfg(unix)]
    std::os::unix::fs::symlink(".", tree.join("ubuntu")).expect("symbolic link of a fixture");
    let (mbr, esp, iso) = (dir.join("mbr.img"), dir.join("esp.img"), dir.join("ubuntu.iso"));
    fs::write(&mbr, [0x90; 512]).expect("boot sector of a fixture");
    fs::write(&esp, vec![0xe5; ESP_BYTES]).expect("EFI partition of a fixture");
    let text = |p: &Path| p.to_string_lossy().into_owned();
    let options = "-as mkisofs -r -J -joliet-long -l --modification-date=2024091118464800 --protective-msdos-label \
         -partition_cyl_align off -partition_offset 16 --mbr-force-bootable -appended_part_as_gpt \
         -iso_mbr_part_type a2a0d0ebe5b9334487c068b6b72699c7 -c /boot.catalog \
         -b /boot/grub/i386-pc/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
         -eltorito-alt-boot -e --interval:appended_partition_2::: -no-emul-boot";
    let mut args: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    let rest = ["-V", LABEL, "--grub2-mbr", &text(&mbr), "-append_partition", "2"];
    args.extend(rest.map(str::to_owned));
    args.extend(["28732ac11ff8d211ba4b00a0c93ec93b".to_owned(), text(&esp), "-o".to_owned(), text(&iso), text(&tree)]);
    let made = peer("xorriso", args)?;
    assert!(made.code == 0, "xorriso: {}", made.error_text());
    fs::remove_dir_all(&tree).expect("the tree of a fixture can go");
    Some(iso)
}
