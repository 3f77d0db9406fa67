//! Installer ISO patching in place and small CIDATA ISOs, in pure Rust.
