//! The composition: plan, provision, status, destroy.
//!
//! A [`Context`] is a lab with its paths and its provider. [`provision`] brings it up, [`status`] looks at it,
//! [`destroy`] removes it. Each is one plain function; none believes a file about the state of the world.

mod asked;
mod backup;
mod bundle;
mod clocks;
mod cluster;
mod conditions;
mod context;
mod destroy;
mod failure;
mod golden;
mod hosts;
mod images;
mod journal;
mod kubeconfig;
mod kubesphere;
mod leave;
mod leftovers;
mod lock;
mod machines;
mod nodes;
mod packages;
mod plan;
mod power;
mod provider;
mod provision;
mod ready;
mod registry;
mod run;
mod secrets;
mod sources;
mod status;
mod switch;
mod until;
mod upgrade;

pub use asked::{Asked, asked};
pub use backup::{Kept, restore, save, snapshots};
pub use bundle::{Carried, Imported, contents_of_lab, contents_of_lock, import, plan_import};
pub use clocks::{Said, compare_clocks, logins};
pub use context::{Context, Login};
pub use destroy::destroy;
pub use failure::{AirlabError, Failure, PROBLEMS};
pub use kubeconfig::{Place, PlaceError, Wsl, places, trust, users_own};
pub use leave::{Left, drain, remove, uncordon};
pub use lock::RunLock;
pub use packages::{Extra, ExtraKind};
pub use plan::{Action, Plan, STEPS, Stage};
pub use provider::{ClockOwner, Facts, Provider};
pub use provision::provision;
pub use ready::{
    ConsoleAt, Destroyed, Finding, NodeState, NodeStatus, Partial, Provisioned, Ready, ReadyNode, RegistryStatus,
    Status,
};
pub use registry::{host_offset, wsl_address};
pub use sources::{CHART, PINNED, Source, Sources, pinned};
pub use status::status;
pub use switch::{Switched, down, up};
