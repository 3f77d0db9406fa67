//! A range that a stranger asks for is inside of the content, and a chunk's range has two ends in order.

#![no_main]
#![allow(dead_code)]

#[path = "../../crates/registry-mirror/src/server/range.rs"]
mod range;

use libfuzzer_sys::fuzz_target;
use range::{Range, content_range, requested};

fuzz_target!(|input: (u64, &str)| {
    let (size, value) = input;
    if let Range::Part { start, length } = requested(value, size) {
        assert!(length > 0 && start.checked_add(length).is_some_and(|end| end <= size));
    }
    if let Some((first, last)) = content_range(value) {
        assert!(first <= last && (last - first).checked_add(1).is_some());
    }
});
