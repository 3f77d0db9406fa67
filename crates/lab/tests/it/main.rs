//! What a lab file may say, and what is said about one that is wrong.

use std::path::Path;

use lab::{Lab, LabError, Layout, RegistryHost, RegistryKind, Role};
use proptest::prelude::*;
use steps::Problem;

fn parse(text: &str) -> Result<Lab, LabError> {
    Lab::parse(Path::new("airlab.toml"), text)
}

fn complaints(text: &str) -> String {
    complaints_of(parse(text))
}

fn complaints_of(read: Result<Lab, LabError>) -> String {
    let error = read.expect_err("a text with mistakes");
    let mut lines = vec![format!("{} {error}", error.id())];
    lines.extend(error.also().iter().map(|p| format!("{} {p}", p.id())));
    lines.join("\n")
}

#[test]
fn the_shipped_labs_are_valid() {
    let demo = parse(lab::DEMO).unwrap();
    assert_eq!(demo.nodes.iter().map(|n| n.role).collect::<Vec<_>>(), [Role::Server, Role::Agent, Role::Agent]);
    assert_eq!(demo.first_server().mac, "00:50:56:06:00:0a");
    assert_eq!(demo.registry_address(), "192.168.6.1:5000");
    let desktop = parse(lab::DESKTOP).unwrap();
    let files = Layout::of(&desktop, Path::new("/srv/.airlab"));
    assert_eq!(files.vmx("worker1").to_str(), Some(r"C:\airlab\vms\desktop\worker1\worker1.vmx"));
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let text = r#"
name = "My Lab"
colour = "red"
[network]
cidr = "192.168.6.1/24"
mode = "nat"
[vm]
provider = "qvmrun"
disk_gb = 8
[artifacts]
source = "files"
iso_sha256 = "abc"
[[node]]
name = "master"
role = "server"
adress = "192.168.6.10"
memory_mib = 2049
[[node]]
name = "master"
role = "boss"
address = "192.168.6.1"
mac = "00:0c:29:00:00:01"
"#;
    insta::assert_snapshot!(complaints(text));
}

#[test]
fn registries_of_every_kind() {
    let with = |lab: &str, section: &str| parse(&format!("{lab}\n[registry]\n{section}\n"));
    let desktop = lab::DESKTOP;
    let kind = |section: &str| with(desktop, section).unwrap().registry.kind;
    assert_eq!(kind(""), RegistryKind::Embedded { host: RegistryHost::Desktop });
    assert_eq!(kind("host = \"wsl\""), RegistryKind::Embedded { host: RegistryHost::Wsl });
    assert_eq!(kind("kind = \"docker\"\nhost = \"wsl\""), RegistryKind::Docker { host: RegistryHost::Wsl });
    let external = with(desktop, "kind = \"external\"\naddress = \"registry.example:8443\"\nca = \"ca.pem\"").unwrap();
    assert_eq!(external.registry_address(), "registry.example:8443");
    assert!(matches!(external.registry.kind, RegistryKind::External { ca: Some(_), credentials: None, .. }));
    let wrong = [
        (desktop, "kind = \"external\""),
        (desktop, "kind = \"external\"\naddress = \"https://r/x\"\nport = 1"),
        (desktop, "kind = \"podman\"\naddress = \"r\"\nca = \"x\""),
        (lab::DEMO, "kind = \"docker\""),
        (lab::DEMO, "host = \"wsl\""),
    ];
    let said = wrong.map(|(lab, section)| with(lab, section).map(|_| ()).expect_err(section));
    let said = said.iter().flat_map(|error| {
        let also = error.also();
        std::iter::once(error.to_string()).chain(also.into_iter().map(|p| p.to_string())).collect::<Vec<_>>()
    });
    insta::assert_snapshot!(said.collect::<Vec<_>>().join("\n"));
}

#[test]
fn text_that_is_not_toml_is_one_mistake_with_its_line() {
    insta::assert_snapshot!(complaints("name = \"demo\"\n[network\n"));
}

#[test]
fn further_vmx_keys_are_those_of_nobody() {
    let with = |table: &str| lab::DEMO.replace("[artifacts]", &format!("[vm.vmx]\n{table}\n[artifacts]"));
    let lab = parse(&with("\"rtc.startTime\" = \"0\"\nvhv = \"TRUE\"")).unwrap();
    assert_eq!(lab.vm.vmx.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["rtc.startTime=0", "vhv=TRUE"]);
    insta::assert_snapshot!(complaints(&with(
        "\"MEMSIZE\" = \"9\"\n\"sata0:5.present\" = \"TRUE\"\nrtc.startTime = \"0\"\nnumber = 5\n\"a b\" = \"c\"\nx = 'say \"y\"'"
    )));
}

#[test]
fn a_cluster_needs_an_odd_number_of_servers() {
    let text = lab::DEMO.replacen("role = \"agent\"", "role = \"server\"", 1);
    assert!(complaints(&text).starts_with("AL-LAB-008"));
}

#[test]
fn an_existing_host_is_a_node_with_a_pinned_key() {
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGP7PlGqZVjFzLUnH1sZ7mKGOMbAqjXkrxJZbMcUwQH3";
    let with = |node: &str| parse(&format!("{}\n[[node]]\nname = \"box\"\nmachine = \"ssh\"\n{node}\n", lab::DEMO));
    let lab =
        with(&format!("address = \"10.1.2.3\"\nport = 2222\nuser = \"ops\"\nhost_key = \"{KEY} root@box\"")).unwrap();
    assert_eq!(lab.machines().count(), 3);
    let host = lab.hosts().next().and_then(|n| n.host.clone()).unwrap();
    assert_eq!((host.port, host.user.as_str(), host.host_key.as_str(), host.key), (2222, "ops", KEY, None));
    let wrong = [
        "address = \"10.1.2.3\"".to_owned(),
        "address = \"10.1.2.3\"\nhost_key = \"SHA256:abc\"".to_owned(),
        format!("address = \"192.168.6.1\"\nhost_key = \"{KEY}\""),
        format!("address = \"192.168.6.10\"\nhost_key = \"{KEY}\"\nmemory_mib = 1024\nuser = \"-x\""),
    ];
    let made = complaints(&lab::DEMO.replacen("[[node]]", "[[node]]\nhost_key = \"x\"\nmachine = \"lxc\"", 1));
    let said: Vec<String> = wrong.iter().map(|node| complaints_of(with(node))).chain([made]).collect();
    insta::assert_snapshot!(said.join("\n\n"));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}", cut in 0usize..400) {
        let _ = parse(&text);
        let demo: String = lab::DEMO.chars().take(cut).collect();
        let _ = parse(&format!("{demo}{text}"));
    }

    #[test]
    fn usable_addresses_are_exactly_those_between_host_and_broadcast(prefix in 16u8..=29, n in any::<u32>()) {
        let base = 0x0a4d_0000u32 & (u32::MAX << (32 - prefix));
        let cidr: lab::Cidr = format!("{}/{prefix}", std::net::Ipv4Addr::from(base)).parse().unwrap();
        let size = 1u32 << (32 - prefix);
        let offset = n % size;
        let usable = cidr.usable(std::net::Ipv4Addr::from(base + offset));
        prop_assert_eq!(usable, offset >= 2 && offset < size - 1);
    }
}
