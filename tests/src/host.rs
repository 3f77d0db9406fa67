//! What the host looks like, to compare before and after a life.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::proof::Fail;
use crate::world::{MARK, World};

/// One kind of thing each, as sorted lines.
pub(crate) struct Host {
    facts: Vec<(&'static str, BTreeSet<String>)>,
    clock: f64,
}

/// System controls that Kubernetes, containers or networks are known to change, with a value that is unusual and
/// harmless; where there is none the key is only watched.
const SYSCTLS: &[(&str, Option<&str>)] = &[
    ("kernel.panic", Some("37")),
    ("kernel.panic_on_oops", Some("0")),
    ("kernel.keys.root_maxkeys", Some("999983")),
    ("kernel.keys.root_maxbytes", Some("24999983")),
    ("vm.overcommit_memory", Some("0")),
    ("vm.swappiness", Some("59")),
    ("vm.max_map_count", None),
    ("vm.panic_on_oom", None),
    ("fs.inotify.max_user_instances", None),
    ("fs.inotify.max_user_watches", None),
    ("fs.file-max", None),
    ("kernel.pid_max", None),
    ("kernel.hostname", None),
    ("kernel.core_pattern", None),
    ("kernel.printk", None),
    ("net.ipv4.ip_forward", Some("0")),
    ("net.ipv4.conf.all.forwarding", None),
    ("net.ipv4.conf.all.rp_filter", None),
    ("net.ipv4.conf.all.route_localnet", None),
    ("net.ipv4.ip_local_port_range", None),
    ("net.ipv6.conf.all.forwarding", None),
    ("net.bridge.bridge-nf-call-iptables", None),
    ("net.netfilter.nf_conntrack_max", None),
    ("net.core.somaxconn", None),
];

fn key_file(key: &str) -> String {
    format!("/proc/sys/{}", key.replace('.', "/"))
}

/// Values set for the length of a life and put back when this is dropped.
pub(crate) struct Unusual(Vec<(&'static str, String)>);

impl Unusual {
    /// Sets every unusual value that this machine allows.
    pub(crate) fn set() -> Self {
        let mut old = Vec::new();
        for (key, value) in SYSCTLS {
            let (Some(value), Ok(was)) = (value, fs::read_to_string(key_file(key))) else { continue };
            if fs::write(key_file(key), value).is_ok() {
                old.push((*key, was.trim().to_owned()));
            }
        }
        Self(old)
    }

    /// How many values were set.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Unusual {
    fn drop(&mut self) {
        for (key, value) in &self.0 {
            let _ = fs::write(key_file(key), value);
        }
    }
}

impl Host {
    /// Looks at everything. `world` marks the processes that are ours.
    pub(crate) fn look(world: &World) -> Result<Self, Fail> {
        let said = |program: &str, args: &[&str]| {
            let out = world.run(world.bare(program).args(args)).map(|o| o.text()).unwrap_or_default();
            out.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let read = |path: &str| lines(&fs::read_to_string(path).unwrap_or_default());
        let sysctls = SYSCTLS.iter().filter_map(|(key, _)| {
            fs::read_to_string(key_file(key)).ok().map(|v| format!("{key}={}", v.trim().replace('\t', " ")))
        });
        let facts = vec![
            ("sysctls", sysctls.collect()),
            ("swap", read("/proc/swaps").iter().map(|l| first_words(l, 3)).collect()),
            ("modules", read("/proc/modules").iter().map(|l| first_words(l, 1)).collect()),
            ("mounts", mounts(&read("/proc/self/mountinfo"))),
            ("loop devices", said("losetup", &["--noheadings", "--output", "NAME,OFFSET,BACK-FILE"])),
            ("cgroups", cgroups()),
            ("namespaces", said("ip", &["netns", "list"]).iter().map(|l| first_words(l, 1)).collect()),
            ("processes", processes(&world.scratch("").display().to_string())),
            ("links", said("ip", &["-brief", "link"]).iter().map(|l| first_words(l, 1)).collect()),
            ("routes", said("ip", &["route", "show", "table", "all"])),
            ("iptables", without_counters(said("iptables-save", &[]))),
            ("nftables", without_counters(said("nft", &["--stateless", "list", "ruleset"]))),
        ];
        Ok(Self { facts, clock: wall_minus_uptime()? })
    }

    /// What differs, kind by kind; what `announced` names is no difference.
    pub(crate) fn differences(&self, after: &Self, announced: &str) -> Vec<String> {
        let mut found = Vec::new();
        for ((kind, was), (_, is)) in self.facts.iter().zip(&after.facts) {
            let told = |thing: &&String| thing.split(['=', ' ']).next().is_some_and(|w| announced.contains(w));
            let gone = was.difference(is).filter(|t| !told(t)).map(|t| format!("{kind}: gone {t}"));
            let new = is.difference(was).filter(|t| !told(t)).map(|t| format!("{kind}: new {t}"));
            found.extend(gone.chain(new));
        }
        let moved = after.clock - self.clock;
        if moved.abs() > 0.5 {
            found.push(format!("clock: moved by {moved:.2} s against the time since boot"));
        }
        found
    }

    /// How many things were looked at, in words.
    pub(crate) fn size(&self) -> String {
        let kinds: Vec<String> = self.facts.iter().map(|(kind, set)| format!("{} {kind}", set.len())).collect();
        kinds.join(", ")
    }
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

fn first_words(line: &str, n: usize) -> String {
    line.split_whitespace().take(n).collect::<Vec<_>>().join(" ")
}

/// Mount point, file system and source of every mount; the numbers before them differ from mount to mount.
pub(crate) fn mounts(table: &BTreeSet<String>) -> BTreeSet<String> {
    let one = |line: &String| {
        let (left, right) = line.split_once(" - ")?;
        Some(format!("{} {}", left.split_whitespace().nth(4)?, first_words(right, 2)))
    };
    table.iter().filter_map(one).collect()
}

/// Groups that labs and their nodes make; the machine's own service manager makes and removes others as it likes.
pub(crate) fn cgroups() -> BTreeSet<String> {
    fn walk(dir: &Path, found: &mut BTreeSet<String>) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
            let path = entry.path().display().to_string();
            if ["airlab", "qvmrun", "kubepods", "lxcfs"].iter().any(|word| path.contains(word)) {
                found.insert(path);
            }
            walk(&entry.path(), found);
        }
    }
    let mut found = BTreeSet::new();
    walk(Path::new("/sys/fs/cgroup"), &mut found);
    found
}

/// Processes that carry this run's mark, or have its folder on their command line; this program itself has neither.
pub(crate) fn processes(mark: &str) -> BTreeSet<String> {
    let mark = mark.trim_end_matches('/');
    let mut found = BTreeSet::new();
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in numbers.filter_map(|e| e.file_name().to_string_lossy().parse::<u32>().ok()) {
        let read = |file: &str| {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let words = read("cmdline");
        if read("environ").contains(&format!("{MARK}={mark}")) || words.contains(mark) {
            found.insert(format!("{pid} {}", words.trim()));
        }
    }
    found
}

fn without_counters(rules: BTreeSet<String>) -> BTreeSet<String> {
    let plain = |line: String| match line.split_once(" [") {
        Some((rule, counters)) if counters.ends_with(']') => rule.to_owned(),
        _ => line,
    };
    rules.into_iter().filter(|l| !l.starts_with('#')).map(plain).collect()
}

/// Seconds by which the wall clock is ahead of the time since boot.
fn wall_minus_uptime() -> Result<f64, Fail> {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
    let text = fs::read_to_string("/proc/uptime")?;
    let up: f64 = text.split_whitespace().next().unwrap_or("").parse()?;
    Ok(wall - up)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(kind: &'static str, things: &[&str]) -> Host {
        Host { facts: vec![(kind, things.iter().map(|t| (*t).to_owned()).collect())], clock: 0.0 }
    }

    #[test]
    fn a_difference_is_told_unless_it_was_announced() {
        let (before, after) = (host("modules", &["fuse"]), host("modules", &["overlay", "veth"]));
        assert_eq!(before.differences(&after, "loads the module overlay"), ["modules: gone fuse", "modules: new veth"]);
        assert!(before.differences(&host("modules", &["fuse"]), "").is_empty());
    }

    #[test]
    fn counters_are_no_difference() {
        let of = |line: &str| without_counters([line.to_owned()].into());
        assert_eq!(of(":INPUT ACCEPT [12:840]"), of(":INPUT ACCEPT [0:0]"));
        assert_ne!(of("-A INPUT -j DROP"), of("-A INPUT -j ACCEPT"));
    }
}
