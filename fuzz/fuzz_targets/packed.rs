//! Any bytes as a compressed image archive, gzip or zstd: unpacked as far as is allowed, its files found, or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// A few bytes can mean a gigabyte; what is behind this is more of the same.
const MOST: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    for name in registry_mirror::packed_tar_names(bytes, MOST) {
        assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."), "{name:?} leads out");
    }
});
