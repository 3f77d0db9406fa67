//! No bytes make reading a disk fail in any other way than by an error.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

/// One file in memory for each fuzzing process.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let shm = PathBuf::from("/dev/shm");
    let dir = if shm.is_dir() { shm } else { std::env::temp_dir() };
    dir.join(format!("airlab-fuzz-{}.vmdk", std::process::id()))
});

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("a file of our own");
    if let Ok(disk) = vmware::Vmdk::open(&FILE) {
        let mut buffer = vec![0; 4096];
        for offset in [0, 512, 1 << 20, disk.capacity_bytes.saturating_sub(100), u64::MAX - 5000] {
            let _ = disk.read_at(offset, &mut buffer);
        }
    }
    let _ = vmware::is_blank(&FILE);
});
