//! Any bytes as an image archive: its files are found or it is refused, in bounded memory.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in registry_mirror::tar_names(bytes) {
        assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."), "{name:?} leads out");
    }
});
