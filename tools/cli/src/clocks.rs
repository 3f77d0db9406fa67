//! Clocks side by side, as a table.

use timesync::{Comparison, HostClock, NodeReading, Offset, Verdict};

use crate::table;

/// One line a node, and this host's below them.
pub(crate) fn text(clocks: &Comparison) -> String {
    let mut rows: Vec<_> = clocks.nodes.iter().map(row).collect();
    let host = &clocks.host;
    let state = match host.verdict {
        HostClock::Plausible if !host.is_right() => format!("WRONG, or {} is", clocks.registry),
        HostClock::Plausible if host.offset_ms.is_none() => host.why.clone(),
        HostClock::Plausible => "nothing speaks against it".to_owned(),
        HostClock::BeforeThePast(by) => format!("WRONG: {by} s before the lab was made"),
        HostClock::AgainstTheNodes(offset) => {
            format!("WRONG: the nodes agree with each other, {} to it", seconds(offset))
        }
    };
    rows.push(["this host".to_owned(), measured(host.offset_ms), state]);
    let to = format!("TO {}", clocks.registry);
    table(&["CLOCK OF", &to, "STATE"], &rows)
}

/// One line a node.
pub(crate) fn rows(nodes: &[NodeReading]) -> String {
    table(&["CLOCK OF", "TO THE REGISTRY", "STATE"], &nodes.iter().map(row).collect::<Vec<_>>())
}

/// A clock that is the host's is called that: its zero is no success of the node.
fn row(node: &NodeReading) -> [String; 3] {
    let offset = measured(node.offset_ms);
    let (offset, state) = match node.verdict {
        Verdict::Right => (offset, "right".to_owned()),
        Verdict::Drifting => (offset, "drifting; the node puts it right within a minute".to_owned()),
        Verdict::Off => (offset, "OFF: k3s must not start beside it".to_owned()),
        Verdict::Host => ("the host's clock".to_owned(), "-".to_owned()),
        Verdict::HostOff => ("the host's clock".to_owned(), format!("OFF by {offset}: put the host's right")),
        Verdict::RegistryMoved => (offset, "the registry's clock jumped, and is not followed".to_owned()),
        Verdict::NotMeasured => (offset, format!("not measured: {}", node.why)),
    };
    [node.name.clone(), offset, state]
}

fn measured(offset: Option<Offset>) -> String {
    offset.map_or_else(|| "-".to_owned(), seconds)
}

fn seconds(offset: Offset) -> String {
    let tenths = (offset.0 as f64 / 100.0).round();
    // no zero has a sign
    if tenths == 0.0 { "0.0 s".to_owned() } else { format!("{:+.1} s", tenths / 10.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timesync::{HostReading, Whose};

    #[test]
    fn a_container_has_no_zero_of_its_own_and_offsets_have_a_tenth_of_a_second() {
        let node = |name: &str, verdict, offset: Option<i64>, clock, why: &str| NodeReading {
            name: name.to_owned(),
            verdict,
            offset_ms: offset.map(Offset),
            clock: Some(clock),
            why: why.to_owned(),
        };
        let clocks = Comparison {
            registry: "192.168.6.1:5000".into(),
            nodes: vec![
                node("container", Verdict::Host, Some(3), Whose::Host, ""),
                node("vm", Verdict::Right, Some(-140), Whose::Own, ""),
                node("stepped", Verdict::Off, Some(300_020), Whose::Own, ""),
                node("alone", Verdict::NotMeasured, None, Whose::Own, "curl: (7) no route"),
            ],
            host: HostReading { verdict: HostClock::Plausible, offset_ms: Some(Offset(-4)), why: String::new() },
        };
        assert_eq!(
            text(&clocks),
            "CLOCK OF   TO 192.168.6.1:5000  STATE\n\
             container  the host's clock     -\n\
             vm         -0.1 s               right\n\
             stepped    +300.0 s             OFF: k3s must not start beside it\n\
             alone      -                    not measured: curl: (7) no route\n\
             this host  0.0 s                nothing speaks against it\n"
        );
    }
}
