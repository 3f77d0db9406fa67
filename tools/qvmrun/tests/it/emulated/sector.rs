//! Programs of a few bytes, in boot sectors: what they do is all that a test needs of a guest.

use std::path::{Path, PathBuf};

use machine::{Cmd, Local};
use vmware::{DiskFormat, Vmdk};

/// 16-bit code for an 8086, as it grows.
#[derive(Default)]
struct Code(Vec<u8>);

impl Code {
    fn add(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// mov dx,3f8; mov al,LETTER; out dx,al
    fn print(self, letter: u8) -> Self {
        self.add(&[0xba, 0xf8, 0x03, 0xb0, letter, 0xee])
    }

    /// mov dx,604; mov ax,2000; out dx,ax; hlt: ACPI's sleeping state 5.
    fn power_off(self) -> Self {
        self.add(&[0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4])
    }

    /// mov dx,cf9; mov al,6; out dx,al; hlt
    fn reset(self) -> Self {
        self.add(&[0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4])
    }

    fn sector(mut self) -> Vec<u8> {
        assert!(self.0.len() <= 510);
        self.0.resize(510, 0);
        self.0.extend([0x55, 0xaa]);
        self.0
    }
}

/// Prints `D` and powers off.
fn system() -> Vec<u8> {
    Code::default().print(b'D').power_off().sector()
}

/// Prints `C`, writes the system into the disk's first sector, prints `W`, reboots.
fn installer() -> Vec<u8> {
    let code = Code::default()
        .print(b'C')
        .add(&[0x31, 0xc0, 0x8e, 0xc0, 0xbb, 0x00, 0x7e]) // xor ax,ax; mov es,ax; mov bx,7e00: the second sector
        .add(&[0xb8, 0x01, 0x03, 0xb9, 0x01, 0x00, 0xba, 0x80, 0x00, 0xcd, 0x13]) // write it: int 13, ah=3, first disk
        .print(b'W')
        .reset();
    [code.sector(), system(), vec![0; 1024]].concat()
}

/// Prints `B` and the year of its clock, then the alphabet over and over, a letter a tick, until the power button.
pub fn clock() -> Vec<u8> {
    let code = Code::default()
        .print(b'B')
        .add(&[0xba, 0xf8, 0x03, 0xb0, 0x09, 0xe6, 0x70, 0xe4, 0x71]) // mov dx,3f8; al = clock's register 9
        .add(&[0x88, 0xc4, 0xc0, 0xe8, 0x04, 0x04, 0x30, 0xee]) // its first digit
        .add(&[0x88, 0xe0, 0x24, 0x0f, 0x04, 0x30, 0xee]) // its second digit
        .add(&[0xba, 0x02, 0x06, 0xb8, 0x00, 0x01, 0xef]) // mov dx,602; mov ax,100; out: hear the power button
        .add(&[0xb3, 0x61, 0xfb]); // mov bl,'a'; sti
    let start = code.0.len();
    let code = code
        .add(&[0xf4, 0xba, 0xf8, 0x03, 0x88, 0xd8, 0xee]) // hlt; mov dx,3f8; mov al,bl; out dx,al
        .add(&[0xfe, 0xc3, 0x80, 0xfb, 0x7b, 0x75, 0x02, 0xb3, 0x61]) // inc bl; after 'z' comes 'a'
        .add(&[0xba, 0x00, 0x06, 0xed, 0xf6, 0xc4, 0x01, 0x74]); // mov dx,600; in ax,dx; test ah,1; jz start
    let back = i8::try_from(start).unwrap() - i8::try_from(code.0.len() + 1).unwrap();
    code.add(&back.to_le_bytes()).power_off().sector()
}

/// A disk that begins with this sector.
pub fn disk(path: &Path, sector: &[u8]) {
    Vmdk::new(8 << 20, DiskFormat::Flat).create(path).unwrap();
    let raw = Vmdk::open(path).unwrap().extent;
    let file = std::fs::File::options().write(true).open(raw).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, sector, 0).unwrap();
}

/// The CD that installs the system.
pub fn installer_iso(dir: &Path) -> PathBuf {
    let tree = dir.join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("boot.img"), installer()).unwrap();
    let iso = dir.join("install.iso");
    let cmd = Cmd::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-b", "boot.img", "-no-emul-boot", "-boot-load-size", "4", "-o"])
        .arg(&iso)
        .arg(&tree);
    Local.run_ok(&cmd).unwrap();
    iso
}
