//! What a machine is plugged into, and who has been seen on the bridge.

use std::collections::BTreeSet;
use std::net::IpAddr;

use seed_iso::Iso;

use super::{BRIDGE, Lab, Mode, Spec, forward};
use crate::home::Home;
use crate::place::Place;
use crate::vm::Vm;
use crate::{Failure, files};

/// The other end of a machine's cables.
#[derive(Debug)]
pub(crate) enum Plug {
    Bridge(Lab),
    /// A network of the machine's own: net, the host's address in it, and loopback ports with what they lead to.
    User {
        net: String,
        host: IpAddr,
        forwards: Vec<(u16, String)>,
    },
}

pub(crate) fn plug(home: &Home, vm: &Vm) -> Result<Plug, Failure> {
    let spec = Spec::load(home).ok_or(Failure::NetworkDown)?;
    if spec.mode != Mode::User {
        return super::lab(home).map(Plug::Bridge);
    }
    let own = own_address(home, vm, &spec);
    let ports = forward::reach(home);
    let forwards = ports.into_iter().filter(|(to, _)| Some(to.ip()) == own).map(|(to, port)| (port, to.to_string()));
    let net = format!("{}/{}", spec.address, spec.prefix);
    Ok(Plug::User { net, host: spec.address, forwards: forwards.collect() })
}

/// Which of the forwards' addresses is this machine's: the one its seed names, or named when it still had one, or the only
/// one there is.
fn own_address(home: &Home, vm: &Vm, spec: &Spec) -> Option<IpAddr> {
    let known: BTreeSet<IpAddr> = spec.forwards.iter().map(|to| to.ip()).collect();
    let remembered = Place::of(home, &vm.id).dir().join("address");
    let seeds = vm.devices().into_iter().filter(|d| d.cdrom).filter_map(|d| Iso::open(&d.file).ok());
    let texts: Vec<String> = seeds
        .flat_map(|iso| ["/network-config", "/user-data"].map(|file| iso.read(file).unwrap_or_default()))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    if let Some(found) = named(&known, &texts) {
        let _ = files::save(&remembered, &found.to_string());
        return Some(found);
    }
    let before = files::read(&remembered).ok().and_then(|text| text.trim().parse().ok());
    before.or_else(|| if known.len() == 1 { known.first().copied() } else { None })
}

/// The address that stands there with a prefix length, as in a network configuration.
fn named(known: &BTreeSet<IpAddr>, texts: &[String]) -> Option<IpAddr> {
    let stands = |text: &str, address: &IpAddr| {
        let wanted = format!("{address}/");
        text.match_indices(&wanted).any(|(at, _)| !text[..at].ends_with(|c: char| c.is_ascii_digit() || c == '.'))
    };
    known.iter().copied().find(|address| texts.iter().any(|text| stands(text, address)))
}

/// The address at which this MAC address was last seen on the bridge.
pub(crate) fn neighbour(home: &Home, mac: &str) -> Result<Option<IpAddr>, Failure> {
    let spec = Spec::load(home).ok_or(Failure::NetworkDown)?;
    if spec.mode == Mode::User {
        return Ok(None);
    }
    Ok(with_mac(&super::lab(home)?.ip(["-4", "neigh", "show", "dev", BRIDGE])?, mac))
}

/// From the output of `ip neigh`.
fn with_mac(text: &str, mac: &str) -> Option<IpAddr> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|w| *w == "lladdr")?;
        let lost = words.last().is_some_and(|w| matches!(*w, "FAILED" | "INCOMPLETE"));
        let same = words.get(at + 1)?.eq_ignore_ascii_case(mac);
        if same && !lost { words[0].parse().ok() } else { None }
    };
    text.lines().find_map(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_neighbour_with_this_mac() {
        let text = "192.168.6.9 lladdr 00:50:56:06:00:0a FAILED\n192.168.6.11 lladdr 00:50:56:06:00:0b STALE\n\
                    192.168.6.10 lladdr 00:50:56:06:00:0a REACHABLE\n192.168.6.12 INCOMPLETE\n";
        assert_eq!(with_mac(text, "00:50:56:06:00:0A"), Some("192.168.6.10".parse().unwrap()));
        assert_eq!(with_mac(text, "00:50:56:06:00:0c"), None);
    }

    #[test]
    fn the_address_on_a_seed() {
        let known: BTreeSet<IpAddr> = ["192.168.6.1", "192.168.6.11"].map(|a| a.parse().unwrap()).into();
        let named = |text: &str| named(&known, &[String::new(), text.to_owned()]);
        assert_eq!(named("addresses: [192.168.6.11/24]\nhosts: 192.168.6.1"), Some("192.168.6.11".parse().unwrap()));
        assert_eq!(named("addresses: [92.168.6.11/24, 1192.168.6.1/24]"), None);
    }
}
