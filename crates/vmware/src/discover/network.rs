//! VMware's virtual networks, by its own files.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A virtual network, as far as a file tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vnet {
    /// Network address and mask.
    pub subnet: Option<(Ipv4Addr, Ipv4Addr)>,
    /// The host's own address in it.
    pub host: Option<Ipv4Addr>,
    /// Whether the host has an adapter in it.
    pub adapter: bool,
    /// Whether VMware's DHCP server answers in it.
    pub dhcp: bool,
}

/// Reads `/etc/vmware/networking` of a Linux host: `answer VNET_1_HOSTONLY_SUBNET 192.168.6.0`. By the network's number.
///
/// ```
/// let text = "VERSION=1,0\nanswer VNET_1_HOSTONLY_SUBNET 192.168.6.0\nanswer VNET_1_HOSTONLY_NETMASK 255.255.255.0\n";
/// let nets = vmware::discover::linux_networking(text);
/// assert_eq!(nets[&1].host, "192.168.6.1".parse().ok());
/// ```
pub fn linux_networking(text: &str) -> BTreeMap<u32, Vnet> {
    let mut nets: BTreeMap<u32, Vnet> = BTreeMap::new();
    let mut subnets: BTreeMap<u32, (Option<Ipv4Addr>, Option<Ipv4Addr>)> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["answer", key, value] = words[..] else { continue };
        let Some((number, what)) = key.strip_prefix("VNET_").and_then(|rest| rest.split_once('_')) else { continue };
        let Ok(number) = number.parse() else { continue };
        let net = nets.entry(number).or_default();
        let yes = value.eq_ignore_ascii_case("yes");
        match what {
            "DHCP" => net.dhcp = yes,
            "VIRTUAL_ADAPTER" => net.adapter = yes,
            "HOSTONLY_SUBNET" => subnets.entry(number).or_default().0 = value.parse().ok(),
            "HOSTONLY_NETMASK" => subnets.entry(number).or_default().1 = value.parse().ok(),
            _ => {}
        }
    }
    for (number, (subnet, mask)) in subnets {
        let net = nets.entry(number).or_default();
        net.subnet = subnet.zip(mask);
        net.host = net.subnet.and_then(first_address);
    }
    nets
}

/// Reads `vmnetdhcp.conf` of Windows (`%ProgramData%\VMware`) or `dhcpd.conf` of a Linux host: `subnet A netmask M { .. }`
/// blocks, and `host VMnet1 { .. fixed-address A; }` for the host's own address.
pub fn dhcp_conf(text: &str) -> BTreeMap<u32, Vnet> {
    let plain: String = text.lines().map(|l| l.split('#').next().unwrap_or("")).flat_map(|l| [l, "\n"]).collect();
    let spaced = plain.replace('{', " { ").replace('}', " } ").replace(';', " ; ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let subnets: Vec<(Ipv4Addr, Ipv4Addr)> = words.windows(4).filter_map(subnet).collect();
    let mut nets = BTreeMap::new();
    for (at, pair) in words.windows(2).enumerate() {
        let ["host", name] = pair else { continue };
        let Some(number) = name.get(5..).filter(|_| name.to_ascii_lowercase().starts_with("vmnet")) else { continue };
        let Ok(number) = number.parse() else { continue };
        let block = words[at..].split(|w| *w == "}").next().unwrap_or_default();
        let host: Option<Ipv4Addr> = block.windows(2).find(|w| w[0] == "fixed-address").and_then(|w| w[1].parse().ok());
        let subnet = subnets.iter().copied().find(|(net, mask)| host.is_some_and(|h| within(h, *net, *mask)));
        nets.insert(number, Vnet { subnet, host, adapter: host.is_some(), dhcp: subnet.is_some() });
    }
    nets
}

fn subnet(words: &[&str]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    match words {
        ["subnet", net, "netmask", mask] => Some((net.parse().ok()?, mask.parse().ok()?)),
        _ => None,
    }
}

fn within(address: Ipv4Addr, net: Ipv4Addr, mask: Ipv4Addr) -> bool {
    address.to_bits() & mask.to_bits() == net.to_bits()
}

/// The first address of a network, which VMware gives to the host.
fn first_address((net, _): (Ipv4Addr, Ipv4Addr)) -> Option<Ipv4Addr> {
    net.to_bits().checked_add(1).map(Ipv4Addr::from_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linux_hosts_file() {
        let text = "VERSION=1,0\nanswer VNET_1_DHCP yes\nanswer VNET_1_HOSTONLY_NETMASK 255.255.255.0\n\
                    answer VNET_1_HOSTONLY_SUBNET 192.168.6.0\nanswer VNET_1_VIRTUAL_ADAPTER yes\n\
                    answer VNET_8_NAT yes\nadd_nat_portfwd 8 tcp 8080 10.0.0.1 80\nanswer VNET_x_DHCP yes\n";
        let nets = linux_networking(text);
        let one = Vnet {
            subnet: Some((Ipv4Addr::new(192, 168, 6, 0), Ipv4Addr::new(255, 255, 255, 0))),
            host: Some(Ipv4Addr::new(192, 168, 6, 1)),
            adapter: true,
            dhcp: true,
        };
        assert_eq!(nets.keys().copied().collect::<Vec<_>>(), [1, 8]);
        assert_eq!((&nets[&1], &nets[&8]), (&one, &Vnet::default()));
    }

    #[test]
    fn a_dhcp_servers_file() {
        let text = "# made by VMware\r\nallow unknown-clients;\r\nsubnet 192.168.6.0 netmask 255.255.255.0 {\r\n\
                    range 192.168.6.128 192.168.6.254; # {\r\n}\r\nhost VMnet1 {\r\n\
                    hardware ethernet 00:50:56:C0:00:01;\r\n fixed-address 192.168.6.1;\r\n}\r\n\
                    host VMnet8 { fixed-address 10.0.0.1; }";
        let nets = dhcp_conf(text);
        assert_eq!(nets[&1].subnet.unwrap().0, Ipv4Addr::new(192, 168, 6, 0));
        assert_eq!((nets[&1].host, nets[&1].dhcp), (Some(Ipv4Addr::new(192, 168, 6, 1)), true));
        assert_eq!((nets[&8].host, nets[&8].subnet), (Some(Ipv4Addr::new(10, 0, 0, 1)), None));
        assert!(dhcp_conf("subnet x netmask y { host vmnet }").is_empty());
    }
}
