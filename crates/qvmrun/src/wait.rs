//! Waiting with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Asks again and again until it is true; says whether it became true before the deadline.
pub(crate) fn until(deadline: Duration, mut done: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(30));
    }
    true
}
