//! The host-only network: bridge `vmnet1` with the host's address, in a network namespace of its own or on the host.

mod facts;
mod filter;
mod forward;
mod lab;
mod plug;

use std::fs;
use std::net::{IpAddr, SocketAddr};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};

use crate::choice::{self, Choice};
use crate::engine::Engine;
use crate::engines::Engines;
use crate::home::Home;
use crate::{Failure, files};

pub(crate) use forward::run as forward;
pub(crate) use lab::{BRIDGE, Lab};
pub(crate) use plug::{Plug, neighbour, plug};

/// What the network is to be. Kept as `net/spec.json`; whether it is up is always looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) mode: Mode,
    /// What the outside reaches through loopback.
    pub(crate) forwards: Vec<SocketAddr>,
    /// Whether the bridge is ours to remove.
    #[serde(default)]
    pub(crate) made: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// The bridge is in a network namespace of its own.
    Namespace,
    /// The bridge is in the caller's network.
    Bridge,
    /// No bridge, for a user without root: every machine has a network of its own.
    User,
}

impl Mode {
    pub(crate) fn named(word: &str) -> Option<Self> {
        [Self::Namespace, Self::Bridge, Self::User].into_iter().find(|mode| mode.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Bridge => "bridge",
            Self::User => "user",
        }
    }
}

impl Spec {
    /// Without a mode: a namespace for root, a user's network for others.
    pub(crate) fn new(address: IpAddr, prefix: u8, mode: Option<Mode>, forwards: &[SocketAddr]) -> Self {
        let mut forwards = forwards.to_vec();
        forwards.sort();
        forwards.dedup();
        let root = rustix::process::geteuid().is_root();
        let mode = mode.unwrap_or(if root { Mode::Namespace } else { Mode::User });
        Self { address, prefix, mode, forwards, made: false }
    }

    fn load(home: &Home) -> Option<Self> {
        serde_json::from_str(&files::read(&home.net().join("spec.json")).ok()?).ok()
    }

    fn save(&self, home: &Home) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(Failure::host("writing spec.json"))?;
        files::save(&home.net().join("spec.json"), &text)
    }

    fn same_place(&self, other: &Self) -> bool {
        (self.address, self.prefix, self.mode) == (other.address, other.prefix, other.mode)
    }

    fn shown(&self) -> String {
        format!("{}/{} ({})", self.address, self.prefix, self.mode.word())
    }
}

/// Brings the network up as wanted; what is there already stays as it is. Gives back the facts.
pub(crate) fn up(home: &Home, want: &Spec) -> Result<String, Failure> {
    need_root(want.mode)?;
    let Choice { kind, .. } = choice::choose(choice::wanted()?, false)?;
    files::dir(&home.net())?;
    let _held = home.hold("net")?; // one that a killed run has called may still be at work
    let mut want = want.clone();
    if let Some(have) = Spec::load(home) {
        if !have.same_place(&want) {
            let running = Engines::new(home)?.running();
            if !running.is_empty() {
                return Err(Failure::NetworkDiffers {
                    have: have.shown(),
                    want: want.shown(),
                    running: running.join(" "),
                });
            }
            forward::stop(home)?;
            Lab::of(home, &have).remove(&have)?;
        } else {
            want.made = have.made;
        }
    }
    let lab = Lab::of(home, &want);
    if !lab.is_up(&want) && want.mode != Mode::User {
        filter::ensure();
        want.made |= lab.make(&want)?;
    }
    want.save(home)?;
    match want.mode {
        Mode::Namespace => forward::ensure(home, &want)?,
        Mode::User => forward::reserve(home, &want)?,
        Mode::Bridge => {}
    }
    facts::render(home, &want, kind)
}

/// The facts about a network that is up.
pub(crate) fn show(home: &Home) -> Result<String, Failure> {
    let spec = Spec::load(home).ok_or(Failure::NetworkDown)?;
    if !Lab::of(home, &spec).is_up(&spec) {
        return Err(Failure::NetworkDown);
    }
    facts::render(home, &spec, choice::choose(choice::wanted()?, false)?.kind)
}

/// Removes the network and everything kept for its machines, but not the log of calls.
pub(crate) fn down(home: &Home) -> Result<String, Failure> {
    let spec = Spec::load(home);
    need_root(spec.as_ref().map_or(Mode::User, |spec| spec.mode))?;
    let _held = home.hold("net")?;
    let running = Engines::new(home)?.running();
    if !running.is_empty() {
        return Err(Failure::Running { running: running.join(" ") });
    }
    forward::stop(home)?;
    if let Some(spec) = spec {
        Lab::of(home, &spec).remove(&spec)?;
    }
    for dir in [home.net(), home.volumes(), home.machines()] {
        match fs::remove_dir_all(&dir) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::File { path: dir, doing: "not removed", source });
            }
            _ => {}
        }
    }
    Ok(String::new())
}

/// Becomes the command, inside the lab's network. Comes back only with a failure.
pub(crate) fn exec(home: &Home, command: &[String]) -> Failure {
    if let Err(failure) = enter(home) {
        return failure;
    }
    let cmd = machine::Cmd::new(command[0].as_str()).args(&command[1..]);
    Failure::exec(format!("running {}", command[0]))(machine::Local.replace(&cmd))
}

/// Moves this thread, and the threads it makes from now on, into the lab's network.
pub(crate) fn enter(home: &Home) -> Result<(), Failure> {
    let spec = Spec::load(home).ok_or(Failure::NetworkDown)?;
    let lab = Lab::of(home, &spec);
    if !lab.is_up(&spec) {
        return Err(Failure::NetworkDown);
    }
    if let Some(path) = lab.namespace() {
        let file = fs::File::open(path).map_err(|source| Failure::File {
            path: path.to_owned(),
            doing: "not read",
            source,
        })?;
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network))
            .map_err(Failure::host("entering the lab's network"))?;
    }
    Ok(())
}

/// The network a machine is to be plugged into.
pub(crate) fn lab(home: &Home) -> Result<Lab, Failure> {
    let spec = Spec::load(home).ok_or(Failure::NetworkDown)?;
    let lab = Lab::of(home, &spec);
    if spec.mode != Mode::User && lab.is_up(&spec) { Ok(lab) } else { Err(Failure::NetworkDown) }
}

/// What `listHostNetworks` prints.
pub(crate) fn host_networks(home: &Home) -> String {
    let spec = Spec::load(home).filter(|spec| Lab::of(home, spec).is_up(spec));
    table(spec.as_ref())
}

fn table(spec: Option<&Spec>) -> String {
    let mut text = format!("Total host networks: {}\n", usize::from(spec.is_some()));
    text.push_str("INDEX  NAME         TYPE         DHCP         SUBNET           MASK\n");
    if let Some(Spec { address: IpAddr::V4(address), prefix, .. }) = spec {
        let mask = u32::MAX.checked_shl(32 - u32::from(*prefix)).unwrap_or(0);
        let subnet = std::net::Ipv4Addr::from(u32::from(*address) & mask);
        let mask = std::net::Ipv4Addr::from(mask);
        text.push_str(&format!("1      {:<12} {:<12} {:<12} {subnet:<16} {mask}\n", BRIDGE, "hostOnly", "false"));
    }
    text
}

fn need_root(mode: Mode) -> Result<(), Failure> {
    if mode == Mode::User || rustix::process::geteuid().is_root() { Ok(()) } else { Err(Failure::NotRoot) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_networks_as_vmrun_lists_them() {
        let spec = Spec::new("10.77.3.1".parse().unwrap(), 20, Some(Mode::Namespace), &[]);
        insta::assert_snapshot!(format!("{}{}", table(None), table(Some(&spec))));
    }

    #[test]
    fn a_spec_comes_back_from_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let spec =
            Spec::new("192.168.6.1".parse().unwrap(), 24, Some(Mode::Bridge), &["192.168.6.10:22".parse().unwrap()]);
        spec.save(&home).unwrap();
        assert_eq!(Spec::load(&home), Some(spec));
    }
}
