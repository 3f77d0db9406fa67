//! A network namespace without a way out, whose packets are counted: those for its own lab, and any other.

use std::time::{Duration, Instant};

use machine::Cmd;

use crate::proof::{Fail, Proof, ensure};
use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);
/// Where both lists of rules keep what leaves the island.
const TABLE: &str = "raw";
/// An address for documentation (RFC 5737), which is nobody's.
const NOBODY: &str = "203.0.113.9";

/// The namespace; removed when dropped. The lab's bridge will be in it, so every packet of desktop and nodes that goes
/// anywhere passes its rules.
pub(crate) struct Island<'a> {
    world: &'a World,
    name: String,
    lab: &'static str,
}

/// Packets that were seen: inside the lab, and towards anything else, which are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    lab: u64,
    outside: u64,
}

impl<'a> Island<'a> {
    /// An island for a lab with this network.
    pub(crate) fn new(world: &'a World, lab: &'static str) -> Result<Self, Fail> {
        let name = format!("airlab-e2e-island-{}", std::process::id());
        world.set_deadline(Instant::now() + MINUTE);
        world.ok(world.bare("ip").args(["netns", "add", &name]))?;
        let island = Self { world, name, lab };
        island.ip(&["link", "set", "lo", "up"])?;
        island.rules()?;
        Ok(island)
    }

    /// The words that start a program in it.
    pub(crate) fn enter(&self) -> [String; 3] {
        ["nsenter".into(), format!("--net=/run/netns/{}", self.name), "--".into()]
    }

    fn ip(&self, args: &[&str]) -> Result<String, Fail> {
        self.world.set_deadline(Instant::now() + MINUTE);
        Ok(self.world.ok(self.world.bare("ip").args(["-n", &self.name]).args(args.iter().copied()))?.text())
    }

    fn run(&self, words: &[&str]) -> Result<machine::Output, Fail> {
        self.world.set_deadline(Instant::now() + MINUTE);
        let [nsenter, net, dashes] = self.enter();
        self.world.run(self.world.bare(&nsenter).args([net, dashes]).args(words.iter().copied()))
    }

    fn rule(&self, program: &str, words: &str) -> Result<(), Fail> {
        let words: Vec<&str> = [program, "-w", "10", "-t", TABLE].into_iter().chain(words.split(' ')).collect();
        let out = self.run(&words)?;
        ensure!(out.code == 0, "{}: {}", words.join(" "), out.error_text());
        Ok(())
    }

    /// Loopback may; the lab's own addresses, its pods' from node to node, and what no router passes on are counted as
    /// the lab's; everything else is counted and dropped, whether it begins here or comes over the bridge.
    fn rules(&self) -> Result<(), Fail> {
        for (program, own) in [
            ("iptables", &[self.lab, "10.42.0.0/16", "224.0.0.0/4", "255.255.255.255"][..]),
            ("ip6tables", &["fe80::/10", "ff00::/8"]),
        ] {
            self.rule(program, "-N LAB")?;
            self.rule(program, "-A LAB -j ACCEPT")?;
            self.rule(program, "-N OUTSIDE")?;
            self.rule(program, "-A OUTSIDE -j DROP")?;
            for (chain, lo) in [("OUTPUT", "-o lo"), ("PREROUTING", "-i lo")] {
                self.rule(program, &format!("-A {chain} {lo} -j ACCEPT"))?;
                for network in own {
                    self.rule(program, &format!("-A {chain} -d {network} -j LAB"))?;
                }
                self.rule(program, &format!("-A {chain} -j OUTSIDE"))?;
            }
        }
        Ok(())
    }

    fn seen(&self) -> Result<Seen, Fail> {
        let mut seen = Seen { lab: 0, outside: 0 };
        for program in ["iptables-save", "ip6tables-save"] {
            let out = self.run(&[program, "-c", "-t", TABLE])?;
            ensure!(out.code == 0, "{program}: {}", out.error_text());
            let text = out.text();
            seen.lab += packets(&text, "-A LAB -j ACCEPT").ok_or_else(|| Fail(format!("no counter: {text}")))?;
            seen.outside += packets(&text, "-A OUTSIDE -j DROP").ok_or_else(|| Fail(format!("no counter: {text}")))?;
        }
        Ok(seen)
    }

    /// That nothing but loopback is there, and no way out.
    pub(crate) fn is_one(&self) -> Proof {
        let routes = self.ip(&["route", "show"])? + &self.ip(&["-6", "route", "show", "default"])?;
        ensure!(routes.trim().is_empty(), "there are routes: {routes}");
        let links = self.ip(&["-brief", "link"])?;
        ensure!(links.lines().count() == 1 && links.starts_with("lo"), "there are links: {links}");
        Ok("no route, no link but lo".into())
    }

    /// That a packet which goes out on purpose is counted: over a cable that leads nowhere, which is taken away again.
    pub(crate) fn counts(&self) -> Proof {
        ensure!(self.seen()? == Seen { lab: 0, outside: 0 }, "something was sent already: {:?}", self.seen()?);
        self.ip(&["link", "add", "probe", "type", "veth", "peer", "name", "nowhere"])?;
        self.ip(&["link", "set", "probe", "up"])?;
        self.ip(&["route", "add", "default", "dev", "probe"])?;
        self.run(&["bash", "-c", &format!("echo out > /dev/udp/{NOBODY}/9")])?;
        let seen = self.seen()?;
        self.ip(&["link", "delete", "probe"])?;
        ensure!(seen.outside >= 1, "a packet went out uncounted: {seen:?}");
        for program in ["iptables", "ip6tables"] {
            self.rule(program, "-Z")?;
        }
        ensure!(self.seen()?.outside == 0, "the counter does not begin anew");
        Ok(format!("{} packet sent on purpose, {} counted and dropped", 1, seen.outside))
    }

    /// That nothing went out, by a counter that saw the lab's own packets.
    pub(crate) fn kept_silent(&self) -> Proof {
        let seen = self.seen()?;
        ensure!(seen.outside == 0, "{} packets went out", seen.outside);
        ensure!(seen.lab > 0, "the counter saw nothing of the lab either");
        Ok(format!("0 packets out, {} within the lab", seen.lab))
    }

    /// That a node's packet to somebody else would have been counted.
    pub(crate) fn counts_nodes(&self, lab: &World, node: &str) -> Proof {
        lab.set_deadline(Instant::now() + MINUTE);
        lab.on(node, &["bash", "-c", &format!("echo out > /dev/udp/{NOBODY}/9")])?;
        let seen = self.seen()?;
        ensure!(seen.outside >= 1, "{node} sent a packet out uncounted: {seen:?}");
        Ok(format!("{node} sent 1 packet out on purpose, {} counted and dropped", seen.outside))
    }
}

impl Drop for Island<'_> {
    fn drop(&mut self) {
        let _ = machine::Local.run(&Cmd::new("ip").args(["netns", "delete", &self.name]));
    }
}

/// The packets of a rule in what `iptables-save -c` prints: `[PACKETS:BYTES] RULE`.
fn packets(text: &str, rule: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.ends_with(rule))?;
    line.strip_prefix('[')?.split(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::packets;

    #[test]
    fn counters_are_read() {
        let text = ":LAB - [0:0]\n[12:840] -A LAB -j ACCEPT\n[0:0] -A OUTSIDE -j DROP\n";
        assert_eq!(packets(text, "-A LAB -j ACCEPT"), Some(12));
        assert_eq!(packets(text, "-A OUTSIDE -j DROP"), Some(0));
        assert_eq!(packets(text, "-A OTHER -j DROP"), None);
    }
}
