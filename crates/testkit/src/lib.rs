//! What tests share: tiny ISOs, sets of images, a server over TLS, and other programs as judges. Only for tests: it panics where a test would.

mod helm;
pub mod images;
pub mod iso;
mod peer;
mod tls;

pub use helm::Helm;
pub use peer::peer;
pub use tls::TlsServer;
