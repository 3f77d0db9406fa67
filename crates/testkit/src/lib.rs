//! What tests share: tiny ISOs, and other programs as judges. Only for tests: it panics where a test would.

pub mod iso;
mod peer;

pub use peer::peer;
