//! What a cluster's names stand for.

use demodns::{Kind, Zone, answer, reply};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use k8s_openapi::api::core::v1::{
    EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Service, ServicePort, ServiceSpec,
};
use kube::core::ObjectMeta;
use proptest::prelude::*;

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { namespace: Some("default".into()), name: Some(name.into()), ..ObjectMeta::default() }
}

fn service(name: &str, kind: &str, ip: Option<&str>, alias: Option<&str>) -> Service {
    let port = ServicePort { name: Some("http".into()), port: 80, ..ServicePort::default() };
    let spec = ServiceSpec {
        type_: Some(kind.into()),
        cluster_ip: ip.map(Into::into),
        external_name: alias.map(Into::into),
        ports: Some(vec![port]),
        ..ServiceSpec::default()
    };
    Service { metadata: named(name), spec: Some(spec), ..Service::default() }
}

fn endpoints(name: &str, pods: &[(&str, Option<&str>)]) -> Endpoints {
    let address = |&(ip, host): &(&str, Option<&str>)| EndpointAddress {
        ip: ip.into(),
        hostname: host.map(Into::into),
        ..EndpointAddress::default()
    };
    let port = EndpointPort { name: Some("http".into()), port: 8080, ..EndpointPort::default() };
    let subset = EndpointSubset {
        addresses: Some(pods.iter().map(address).collect()),
        ports: Some(vec![port]),
        ..EndpointSubset::default()
    };
    Endpoints { metadata: named(name), subsets: Some(vec![subset]) }
}

pub(crate) fn zone() -> Zone {
    let mut zone = Zone::new("cluster.local");
    fill(&mut zone);
    zone
}

pub(crate) fn fill(zone: &mut Zone) {
    service("web", "ClusterIP", Some("10.43.0.7"), None).put(zone);
    service("db", "ClusterIP", Some("None"), None).put(zone);
    service("out", "ExternalName", None, Some("example.org")).put(zone);
    endpoints("web", &[("10.42.0.5", None)]).put(zone);
    endpoints("db", &[("10.42.1.2", Some("db-0")), ("10.42.2.3", None)]).put(zone);
}

/// The answer as one line: the code, then the data of each record.
fn ask(name: &str, kind: RecordType) -> String {
    let found = answer(&zone(), &Name::from_ascii(name).unwrap(), kind);
    let data: Vec<String> = found.records.iter().map(|r| r.data.to_string()).collect();
    [vec![format!("{:?}", found.code)], data].concat().join(" | ")
}

#[test]
fn names_stand_for_what_the_specification_says() {
    let asked = [
        ("web.default.svc.cluster.local.", RecordType::A),
        ("WEB.Default.SVC.cluster.LOCAL.", RecordType::A),
        ("web.default.svc.cluster.local.", RecordType::AAAA),
        ("_http._tcp.web.default.svc.cluster.local.", RecordType::SRV),
        ("_ftp._tcp.web.default.svc.cluster.local.", RecordType::SRV),
        ("db.default.svc.cluster.local.", RecordType::A),
        ("db-0.db.default.svc.cluster.local.", RecordType::A),
        ("10-42-2-3.db.default.svc.cluster.local.", RecordType::A),
        ("db-9.db.default.svc.cluster.local.", RecordType::A),
        ("_http._tcp.db.default.svc.cluster.local.", RecordType::SRV),
        ("out.default.svc.cluster.local.", RecordType::A),
        ("default.svc.cluster.local.", RecordType::A),
        ("nobody.default.svc.cluster.local.", RecordType::A),
        ("web.nowhere.svc.cluster.local.", RecordType::A),
        ("10-42-2-3.default.pod.cluster.local.", RecordType::A),
        ("dns-version.cluster.local.", RecordType::TXT),
        ("cluster.local.", RecordType::SOA),
        ("7.0.43.10.in-addr.arpa.", RecordType::PTR),
        ("2.1.42.10.in-addr.arpa.", RecordType::PTR),
        ("9.9.9.9.in-addr.arpa.", RecordType::PTR),
        ("example.org.", RecordType::A),
        ("notcluster.local.", RecordType::A),
    ];
    let lines: Vec<String> = asked.iter().map(|(name, kind)| format!("{name} {kind}: {}", ask(name, *kind))).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_is_deleted_is_no_longer_known() {
    let mut zone = zone();
    service("web", "ClusterIP", Some("10.43.0.7"), None).take(&mut zone);
    let name = Name::from_ascii("web.default.svc.cluster.local.").unwrap();
    assert_eq!(answer(&zone, &name, RecordType::A).code, ResponseCode::NXDomain);
}

#[test]
fn a_long_answer_is_cut_for_a_datagram_and_whole_in_a_stream() {
    let mut zone = zone();
    let ips: Vec<String> = (1..=100).map(|n| format!("10.42.9.{n}")).collect();
    endpoints("db", &ips.iter().map(|ip| (ip.as_str(), None)).collect::<Vec<_>>()).put(&mut zone);
    let mut question = Message::new(7, MessageType::Query, OpCode::Query);
    question.add_query(Query::query(Name::from_ascii("db.default.svc.cluster.local.").unwrap(), RecordType::A));
    let bytes = question.to_vec().unwrap();
    let short = Message::from_vec(&reply(&zone, &bytes, true).unwrap()).unwrap();
    assert!(short.metadata.truncation && short.answers.is_empty());
    let whole = Message::from_vec(&reply(&zone, &bytes, false).unwrap()).unwrap();
    assert_eq!((whole.metadata.truncation, whole.answers.len()), (false, 100));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_no_answer_is_answered(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _answer = reply(&zone(), &bytes, true);
        if let Some(flags) = bytes.get_mut(2) {
            *flags |= 0x80;
            prop_assert!(reply(&zone(), &bytes, true).is_none());
        }
    }
}
