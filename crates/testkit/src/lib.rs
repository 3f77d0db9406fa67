//! What tests share: tiny ISOs and Debian packages, sets of images, a server over TLS, and other programs as judges. Only for tests: it panics where a test would.

mod deb;
mod helm;
pub mod images;
pub mod iso;
mod peer;
mod tls;

pub use deb::deb;
pub use helm::Helm;
pub use peer::peer;
pub use tls::TlsServer;
