//! All parts, made side by side.

use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};

use steps::Sink;

use crate::{Result, installer, installer_iso, node_image, packages};

/// The installer ISO with everything it is made of; node image and installer program are built side by side.
pub fn demo_iso(cache: &Path, sink: &dyn Sink) -> Result<PathBuf> {
    packages::check()?;
    let (node, program) = thread::scope(|scope| {
        let program = scope.spawn(|| installer(cache, sink));
        (node_image(cache, sink), join(program))
    });
    installer_iso(cache, &node?, &program?, sink)
}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
