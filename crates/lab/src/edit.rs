//! A node more or less in the text of a lab file; every other byte stays.

use std::net::Ipv4Addr;

use crate::{Role, SshHost};

/// A node to be written into a lab file. What is `None` is left to the file's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// Its name.
    pub name: String,
    /// Server or agent.
    pub role: Role,
    /// Its address.
    pub address: Ipv4Addr,
    /// Virtual processors.
    pub cpus: Option<u32>,
    /// Memory in MiB.
    pub memory_mib: Option<u32>,
    /// `key=value`.
    pub labels: Vec<String>,
    /// `key=value:Effect`.
    pub taints: Vec<String>,
    /// How it is reached, where it is an existing host.
    pub host: Option<SshHost>,
}

/// The text with one more `[[node]]` at its end. Whether the result is a valid lab, [`crate::Lab::parse`] says.
///
/// ```
/// let node = lab::NewNode {
///     name: "worker3".into(), role: lab::Role::Agent, address: "192.168.6.13".parse().unwrap(),
///     cpus: None, memory_mib: Some(1024), labels: vec![], taints: vec![], host: None,
/// };
/// let text = lab::with_node(lab::DEMO, &node);
/// let lab = lab::Lab::parse("airlab.toml".as_ref(), &text).unwrap();
/// assert_eq!(lab.nodes.len(), 4);
/// assert_eq!(lab::without_node(&text, "worker3").unwrap(), lab::DEMO);
/// ```
pub fn with_node(text: &str, node: &NewNode) -> String {
    let role = if node.role == Role::Server { "server" } else { "agent" };
    let mut table = toml::Table::new();
    table.insert("name".into(), node.name.clone().into());
    table.insert("role".into(), role.into());
    table.insert("address".into(), node.address.to_string().into());
    let numbers = [("cpus", node.cpus), ("memory_mib", node.memory_mib)];
    table.extend(numbers.into_iter().filter_map(|(key, n)| Some((key.to_owned(), i64::from(n?).into()))));
    let lists = [("labels", &node.labels), ("taints", &node.taints)];
    table.extend(lists.into_iter().filter(|(_, l)| !l.is_empty()).map(|(key, l)| (key.to_owned(), l.clone().into())));
    if let Some(SshHost { port, user, host_key, key }) = &node.host {
        let words = [("machine", "ssh"), ("user", user), ("host_key", host_key)];
        table.extend(words.into_iter().map(|(name, word)| (name.to_owned(), word.into())));
        table.insert("port".into(), i64::from(*port).into());
        table.extend(key.iter().map(|key| ("key".to_owned(), key.display().to_string().into())));
    }
    let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    format!("{text}{end}\n[[node]]\n{table}")
}

/// The text without the `[[node]]` of this name; `None` where there is none that begins on a line of its own. Comment
/// lines right above the next table are that table's and stay.
pub fn without_node(text: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let header = |line: &str| line.trim_start().starts_with('[');
    let starts = (0..lines.len()).filter(|i| lines[*i].trim_start().starts_with("[[node]]"));
    for start in starts {
        let mut end = (start + 1..lines.len()).find(|i| header(lines[*i])).unwrap_or(lines.len());
        let table: String = lines[start + 1..end].concat();
        let named = table.parse::<toml::Table>().ok()?.get("name").and_then(|n| n.as_str()) == Some(name);
        if !named {
            continue;
        }
        while end < lines.len() && lines[end - 1].trim_start().starts_with('#') {
            end -= 1;
        }
        let mut kept: Vec<&str> = lines[..start].to_vec();
        // the empty line that parted it from what is above
        if kept.last().is_some_and(|line| line.trim().is_empty()) {
            kept.pop();
        }
        kept.extend(&lines[end..]);
        return Some(kept.concat());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DEMO, Lab};

    #[test]
    fn taking_a_node_out_leaves_every_other_line() {
        let text = DEMO.replace("[[node]]\nname = \"worker2\"", "# the last one\n[[node]]\nname = \"worker2\"");
        let out = without_node(&text, "worker1").unwrap();
        let lab = Lab::parse("airlab.toml".as_ref(), &out).unwrap();
        assert_eq!(lab.nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["master", "worker2"]);
        assert!(out.contains("# the last one\n[[node]]\nname = \"worker2\""), "{out}");
        assert!(out.lines().all(|line| text.lines().any(|l| l == line)));
        assert_eq!(without_node(&text, "nobody"), None);
    }

    #[test]
    fn a_node_with_everything_is_read_back() {
        let node = NewNode {
            name: "worker3".into(),
            role: Role::Agent,
            address: "192.168.6.13".parse().unwrap(),
            cpus: Some(3),
            memory_mib: Some(1536),
            labels: vec!["disk=ssd".into()],
            taints: vec!["gpu=yes:NoSchedule".into()],
            host: None,
        };
        let lab = Lab::parse("airlab.toml".as_ref(), &with_node(DEMO.trim_end(), &node)).unwrap();
        let read = lab.node("worker3").unwrap();
        assert_eq!((read.cpus, read.memory_mib), (3, 1536));
        assert_eq!((&read.labels, &read.taints), (&node.labels, &node.taints));
    }

    #[test]
    fn an_existing_host_is_read_back_and_taken_out_again() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGP7PlGqZVjFzLUnH1sZ7mKGOMbAqjXkrxJZbMcUwQH3";
        for (port, identity) in [(22, None), (2222, Some("keys/a \"b\"/ops".into()))] {
            let host = SshHost { port, user: "ops".into(), host_key: key.into(), key: identity };
            let node = NewNode {
                name: "box".into(),
                role: Role::Server,
                address: "192.168.6.50".parse().unwrap(),
                cpus: None,
                memory_mib: None,
                labels: vec![],
                taints: vec![],
                host: Some(host.clone()),
            };
            let old = DEMO.replace("\"server\"", "\"agent\"").replacen("\"agent\"", "\"server\" # the only one", 1);
            let text = with_node(&old, &NewNode { role: Role::Agent, ..node });
            let lab = Lab::parse("airlab.toml".as_ref(), &text).unwrap();
            assert_eq!(lab.node("box").unwrap().host, Some(host));
            assert!(text.starts_with(&old));
            assert_eq!(without_node(&text, "box").unwrap(), old);
        }
    }
}
