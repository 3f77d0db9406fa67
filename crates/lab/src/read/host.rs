//! `machine = "ssh"`, and the keys that go with it.

use std::path::PathBuf;

use super::{Reader, Section};
use crate::SshHost;
use crate::host::ed25519;

/// Keys of a node whose machine airlab makes.
const MADE: [&str; 3] = ["cpus", "memory_mib", "mac"];
/// Keys of a node that is there already.
const THERE: [&str; 4] = ["port", "user", "host_key", "key"];

impl Reader<'_> {
    /// Whether a node says that it is an existing host, whatever else is wrong with it.
    pub(super) fn is_host(section: Section<'_, '_>) -> bool {
        section.table.and_then(|t| t.get("machine")).is_some_and(|value| value.get_ref().as_str() == Some("ssh"))
    }

    pub(super) fn host(&mut self, section: Section<'_, '_>) -> Option<SshHost> {
        let known = ["vm", "ssh"];
        self.parsed(section, "machine", "\"vm\" or \"ssh\"", |s| known.into_iter().find(|known| *known == s));
        let there = Self::is_host(section);
        let (stray, wanted): (&[&str], _) = if there {
            (&MADE, "left out: an existing host has what it has")
        } else {
            (&THERE, "left out: it goes with machine = \"ssh\"")
        };
        for key in stray {
            if let Some(value) = section.table.and_then(|t| t.get(*key)) {
                self.bad(section, key, value, wanted);
            }
        }
        if !there {
            return None;
        }
        if section.table.is_none_or(|t| t.get("host_key").is_none()) {
            self.missing(section, "host_key");
        }
        let wanted = "the line of the host's own /etc/ssh/ssh_host_ed25519_key.pub, \"ssh-ed25519 AAAA...\"";
        let host_key = self.parsed(section, "host_key", wanted, ed25519);
        let user = self.parsed(section, "user", "a login name", |s| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            (!s.is_empty() && !s.starts_with('-') && s.chars().all(plain)).then(|| s.to_owned())
        });
        let port = self.number(section, "port", 1..=65_535, 22);
        let key = self.text(section, "key").map(PathBuf::from);
        let port = u16::try_from(port).unwrap_or(22);
        Some(SshHost { port, user: user.unwrap_or_else(|| "root".into()), host_key: host_key?, key })
    }
}
