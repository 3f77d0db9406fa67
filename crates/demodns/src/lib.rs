//! The demo lab's stand-in for CoreDNS: it answers names of the cluster's domain from the API's Services and Endpoints,
//! as Kubernetes' "DNS-Based Service Discovery" says, and forwards nothing.
//!
//! ```
//! use demodns::{Zone, answer};
//! use hickory_proto::op::ResponseCode;
//! use hickory_proto::rr::{Name, RecordType};
//!
//! let zone = Zone::new("cluster.local");
//! let name = Name::from_ascii("nobody.default.svc.cluster.local.")?;
//! assert_eq!(answer(&zone, &name, RecordType::A).code, ResponseCode::NXDomain);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod serve;
mod watch;
mod zone;

pub use answer::{Answer, answer, reply};
pub use serve::{health, serve_tcp, serve_udp};
pub use watch::{Kind, follow};
pub use zone::{Shared, Zone};
