//! The program as systemd and people meet it: killed, without disk space, as a service.

#![allow(clippy::unwrap_used)]

#[cfg(unix)]
mod full;
#[cfg(unix)]
mod kill;
#[cfg(unix)]
mod moody;
#[cfg(unix)]
mod outcome;
#[cfg(unix)]
mod pusher;
#[cfg(unix)]
mod resume;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod service;
