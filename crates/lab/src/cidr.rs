//! An IPv4 network in CIDR notation.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::Serialize;

/// An IPv4 network such as `192.168.6.0/24`. Host bits are zero, the prefix is between 16 and 29.
///
/// ```
/// let net: lab::Cidr = "192.168.6.0/24".parse().unwrap();
/// assert_eq!(net.host().to_string(), "192.168.6.1");
/// assert!(net.contains("192.168.6.12".parse().unwrap()));
/// assert!("192.168.6.1/24".parse::<lab::Cidr>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Cidr {
    base: u32,
    prefix: u8,
}

impl Cidr {
    /// The network a lab has when its file names none: 192.168.6.0/24.
    pub(crate) const fn default_lab() -> Self {
        Self { base: 0xc0a8_0600, prefix: 24 }
    }

    /// The first usable address: where the desktop itself is.
    pub fn host(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    /// The network's own address.
    pub fn base(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.base)
    }

    /// Number of network bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    fn mask(prefix: u8) -> u32 {
        u32::MAX << (32 - u32::from(prefix))
    }

    /// Whether the address is inside, network and broadcast addresses included.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & Self::mask(self.prefix) == self.base
    }

    /// Whether a node may have this address: inside, and neither the network's, the broadcast nor the host's own.
    pub fn usable(&self, address: Ipv4Addr) -> bool {
        let last = self.base | !Self::mask(self.prefix);
        self.contains(address) && ![self.base, self.base + 1, last].contains(&u32::from(address))
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').ok_or("an address and a prefix, like 192.168.6.0/24")?;
        let address: Ipv4Addr = address.parse().map_err(|_| format!("{address} is not an IPv4 address"))?;
        let prefix: u8 = prefix.parse().map_err(|_| format!("/{prefix} is not a prefix"))?;
        if !(16..=29).contains(&prefix) {
            return Err(format!("/{prefix} is not between /16 and /29"));
        }
        let base = u32::from(address) & Self::mask(prefix);
        if base != u32::from(address) {
            return Err(format!("the network of {text} starts at {}/{prefix}", Ipv4Addr::from(base)));
        }
        Ok(Self { base, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base(), self.prefix)
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> String {
        cidr.to_string()
    }
}
