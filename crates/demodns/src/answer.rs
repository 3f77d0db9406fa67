//! From a question to its answer: pure functions over a [`Zone`].

use std::net::Ipv4Addr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::zone::{Key, Port, Target, Zone};

/// Seconds an answer may be kept: CoreDNS' value in k3s.
const TTL: u32 = 5;
/// The bytes a client takes that says nothing about it, and the most this server sends in one datagram.
const SMALL: u16 = 512;
const LARGE: u16 = 1232;

/// The records of an answer and its code.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// `NoError` with no record means: the name exists, but not with this type.
    pub code: ResponseCode,
    /// The answer section.
    pub records: Vec<Record>,
    /// Addresses of the names in the answer.
    pub more: Vec<Record>,
}

/// What is known about one name: `None` where it does not exist.
type Found = Option<(Vec<RData>, Vec<Record>)>;

/// The answer to one question. Names outside the cluster are refused: this server forwards nothing.
#[must_use]
pub fn answer(zone: &Zone, name: &Name, kind: RecordType) -> Answer {
    let refused = Answer { code: ResponseCode::Refused, records: vec![], more: vec![] };
    let labels: Vec<String> = name.iter().map(|l| String::from_utf8_lossy(l).to_ascii_lowercase()).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let found = if let Some(inner) = inside(zone, &labels) {
        lookup(zone, inner, kind)
    } else if let [d, c, b, a, "in-addr", "arpa"] = labels[..] {
        reverse(zone, &format!("{a}.{b}.{c}.{d}"))
    } else {
        return refused;
    };
    let Some((data, more)) = found else { return Answer { code: ResponseCode::NXDomain, ..refused } };
    let fits = |d: &RData| d.record_type() == kind || d.record_type() == RecordType::CNAME || kind == RecordType::ANY;
    let records = data.into_iter().filter(fits).map(|d| Record::from_rdata(name.clone(), TTL, d)).collect();
    Answer { code: ResponseCode::NoError, records, more }
}

fn inside<'a>(zone: &Zone, labels: &'a [&'a str]) -> Option<&'a [&'a str]> {
    let cut = labels.len().checked_sub(zone.domain.len())?;
    labels[cut..].iter().zip(&zone.domain).all(|(a, b)| a == b).then_some(&labels[..cut])
}

/// `labels` is the name without the domain.
fn lookup(zone: &Zone, labels: &[&str], kind: RecordType) -> Found {
    let key = |name: &str, namespace: &str| (namespace.to_owned(), name.to_owned());
    let exists = |yes: bool| yes.then(|| (vec![], vec![]));
    match *labels {
        [] => Some((vec![RData::SOA(soa(zone))], vec![])),
        ["svc"] | ["pod"] => exists(true),
        ["dns-version"] => Some((vec![RData::TXT(TXT::new(vec!["1.1.0".into()]))], vec![])),
        [namespace, "svc"] => exists(zone.services.keys().any(|k| k.0 == namespace)),
        [name, namespace, "svc"] => service(zone, &key(name, namespace), kind),
        [port, protocol, name, namespace, "svc"] => {
            ports(zone, &key(name, namespace), port.strip_prefix('_')?, protocol.strip_prefix('_')?)
        }
        [label, name, namespace, "svc"] => pod(zone, &key(name, namespace), label),
        [address, _, "pod"] => Some((vec![a(address.replace('-', ".").parse().ok()?)], vec![])),
        _ => None,
    }
}

fn a(ip: Ipv4Addr) -> RData {
    RData::A(A(ip))
}

fn host(labels: &[&str], zone: &Zone) -> Option<Name> {
    Name::from_ascii(format!("{}.svc.{}", labels.join("."), zone.suffix())).ok()
}

fn service(zone: &Zone, key: &Key, kind: RecordType) -> Found {
    let entry = zone.services.get(key)?;
    let data = match &entry.target {
        Target::Address(ip) => vec![a(*ip)],
        Target::Pods => zone.pods_of(key).iter().map(|p| a(p.address)).collect(),
        Target::Alias(name) => {
            vec![RData::CNAME(CNAME(Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).ok()?))]
        }
        Target::Nothing => vec![],
    };
    if kind == RecordType::SRV {
        return ports(zone, key, "", "").or(Some((vec![], vec![])));
    }
    Some((data, vec![]))
}

/// One pod of a service without an address of its own.
fn pod(zone: &Zone, key: &Key, label: &str) -> Found {
    zone.services.get(key)?;
    let found: Vec<RData> = zone.pods_of(key).iter().filter(|p| p.label == label).map(|p| a(p.address)).collect();
    (!found.is_empty()).then_some((found, vec![]))
}

/// SRV records of the port of this name and protocol; of all ports where both are empty.
fn ports(zone: &Zone, key: &Key, name: &str, protocol: &str) -> Found {
    let fits = |p: &&Port| name.is_empty() && protocol.is_empty() || p.name == name && p.protocol == protocol;
    let entry = zone.services.get(key)?;
    let (mut data, mut more) = (Vec::new(), Vec::new());
    let mut add = |ports: &[Port], at: Name, ip: Ipv4Addr| {
        for port in ports.iter().filter(fits) {
            data.push(RData::SRV(SRV::new(0, 100, port.number, at.clone())));
            more.push(Record::from_rdata(at.clone(), TTL, a(ip)));
        }
    };
    match &entry.target {
        Target::Address(ip) => add(&entry.ports, host(&[&key.1, &key.0], zone)?, *ip),
        Target::Pods => {
            for pod in zone.pods_of(key) {
                add(&pod.ports, host(&[&pod.label, &key.1, &key.0], zone)?, pod.address);
            }
        }
        Target::Alias(_) | Target::Nothing => {}
    }
    (!data.is_empty()).then_some((data, more))
}

fn reverse(zone: &Zone, address: &str) -> Found {
    let ip: Ipv4Addr = address.parse().ok()?;
    let of_service = zone.services.iter().filter(|(_, e)| e.target == Target::Address(ip));
    let mut names: Vec<Name> = of_service.filter_map(|(k, _)| host(&[&k.1, &k.0], zone)).collect();
    for (key, _) in zone.services.iter().filter(|(_, e)| e.target == Target::Pods) {
        let pods = zone.pods_of(key).iter().filter(|p| p.address == ip);
        names.extend(pods.filter_map(|p| host(&[&p.label, &key.1, &key.0], zone)));
    }
    (!names.is_empty()).then(|| (names.into_iter().map(|n| RData::PTR(PTR(n))).collect(), vec![]))
}

fn soa(zone: &Zone) -> SOA {
    let name = |first: &str| Name::from_ascii(format!("{first}.{}", zone.suffix())).unwrap_or_else(|_| Name::root());
    SOA::new(name("ns.dns"), name("hostmaster"), 1, 7200, 1800, 86400, TTL)
}

/// The reply to a message as it came, cut short for a datagram where `datagram` says so; nothing for what is no
/// question at all.
#[must_use]
pub fn reply(zone: &Zone, bytes: &[u8], datagram: bool) -> Option<Vec<u8>> {
    let Ok(asked) = Message::from_vec(bytes) else {
        let id = u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]);
        let answer = bytes.get(2).is_some_and(|b| b & 0x80 != 0); // answering an answer could go on for ever
        let wrong = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
        return (!answer).then(|| wrong.to_vec().ok()).flatten();
    };
    if asked.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut reply = Message::response(asked.metadata.id, asked.metadata.op_code);
    reply.metadata.recursion_desired = asked.metadata.recursion_desired;
    reply.add_queries(asked.queries.iter().cloned());
    if asked.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(LARGE);
        reply.set_edns(edns);
    }
    match (asked.metadata.op_code, &asked.queries[..]) {
        (OpCode::Query, [question]) => {
            let found = answer(zone, question.name(), question.query_type());
            reply.metadata.authoritative = found.code != ResponseCode::Refused;
            reply.metadata.response_code = found.code;
            if found.records.is_empty() && found.code != ResponseCode::Refused {
                let domain = Name::from_ascii(zone.suffix()).unwrap_or_else(|_| Name::root());
                reply.add_authority(Record::from_rdata(domain, TTL, RData::SOA(soa(zone))));
            }
            reply.add_answers(found.records);
            reply.add_additionals(found.more);
        }
        (OpCode::Query, _) => reply.metadata.response_code = ResponseCode::FormErr,
        _ => reply.metadata.response_code = ResponseCode::NotImp,
    }
    let bytes = reply.to_vec().ok()?;
    let room = asked.edns.as_ref().map_or(SMALL, |e| e.max_payload().clamp(SMALL, LARGE));
    if datagram && bytes.len() > usize::from(room) { reply.truncate().to_vec().ok() } else { Some(bytes) }
}
