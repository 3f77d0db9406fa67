//! Every chore, as `cargo xtask`.
fn main() {}
