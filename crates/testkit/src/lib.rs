//! What tests share: tiny ISOs, sets of images, and other programs as judges. Only for tests: it panics where a test would.

pub mod images;
pub mod iso;
mod peer;

pub use peer::peer;
