//! The figures as a page with goals and a chart.

use std::fmt::Write as _;

use super::{Cost, IMAGES, Row, TOOLS, row};
use crate::bench::bars::bars;

const OURS: &str = "registry-mirror";
const SKOPEO: &str = "skopeo copy, 4 at a time";

/// One goal and what came of it.
pub(super) struct Goal {
    what: String,
    got: String,
    pub(super) met: bool,
}

/// What is promised, with the figures of this run.
pub(super) fn goals(rows: &[Row]) -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut goal = |what: &str, got: f64, most: f64| {
        goals.push(Goal { what: what.to_owned(), got: format!("{got:.2}").replace(".00", ""), met: got <= most });
    };
    let Some(ours) = row(rows, OURS) else { return goals };
    goal("requests at both ends, cold: at most 370", ours.cold.requests as f64, 370.0);
    goal("blobs fetched more than once: none", ours.cold.blob_gets as f64 - 84.0, 0.0);
    goal("requests at both ends, warm: at most 52", ours.warm.requests as f64, 52.0);
    if let Some(locked) = row(rows, "registry-mirror, digests locked") {
        goal("requests warm with a digest lock: at most 26", locked.warm.requests as f64, IMAGES as f64);
    }
    if let Some(store) = row(rows, "registry-mirror into a store") {
        goal("requests, registry to store, cold: at most 120", store.cold.requests as f64, 120.0);
    }
    goal("peak of resident memory, MiB: at most 32", ours.cold.rss_mib, 32.0);
    if let Some(skopeo) = row(rows, SKOPEO) {
        goal("CPU time cold against skopeo's: at most 0.6", ours.cold.cpu / skopeo.cold.cpu, 0.6);
        goal("wall time warm against skopeo's: at most 0.25", ours.warm.wall / skopeo.warm.wall, 0.25);
    }
    if let Some(oras) = row(rows, "oras cp, 4 at a time") {
        goal("CPU time cold against oras's: at most 1", ours.cold.cpu / oras.cold.cpu, 1.0);
    }
    goals
}

pub(super) fn render(rows: &[Row], goals: &[Goal]) -> String {
    let mut text = String::from(
        "# Mirror tools side by side\n\n\
         Written by `cargo xtask bench mirror`: 26 references of KubeSphere's shape, 84 distinct blobs, 1.1 GiB, from one\n\
         docker-registry to another over plain HTTP on loopback, data in memory. Cold is into an empty registry, warm the\n\
         same again. Requests are those in both registries' logs. One run of each tool on a machine that also does other\n\
         things: requests are exact, CPU time is good to a tenth, wall time only says which is the shorter.\n\n",
    );
    for (name, of) in [("Cold", (|r: &Row| r.cold) as fn(&Row) -> Cost), ("Warm", |r: &Row| r.warm)] {
        let _ = writeln!(text, "## {name}\n");
        text.push_str("| tool | requests | blob GETs | CPU s | wall s | memory MiB |\n|---|---|---|---|---|---|\n");
        for row in rows {
            let Cost { wall, cpu, rss_mib, requests, blob_gets } = of(row);
            let memory = if name == "Cold" { format!("{rss_mib:.0}") } else { "-".into() };
            let _ = writeln!(text, "| {} | {requests} | {blob_gets} | {cpu:.2} | {wall:.2} | {memory} |", row.tool);
        }
        text.push_str("\n```text\n");
        let values = |value: fn(&Cost) -> f64| rows.iter().map(|r| (r.tool, value(&of(r)))).collect::<Vec<_>>();
        bars(&mut text, "requests", &values(|cost| cost.requests as f64));
        bars(&mut text, "CPU s", &values(|cost| cost.cpu));
        text.push_str("```\n\n");
    }
    let absent: Vec<&str> = TOOLS.iter().map(|(tool, ..)| *tool).filter(|tool| row(rows, tool).is_none()).collect();
    if !absent.is_empty() {
        let _ = writeln!(text, "Not measured, as the system has no package of them: {}.\n", absent.join("; "));
    }
    text.push_str("## Goals\n\n| goal | here | |\n|---|---|---|\n");
    for goal in goals {
        let _ = writeln!(text, "| {} | {} | {} |", goal.what, goal.got, if goal.met { "met" } else { "**missed**" });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_is_said() {
        let cost = |requests, cpu| Cost { wall: 1.0, cpu, rss_mib: 20.0, requests, blob_gets: 84 };
        let rows = [
            Row { tool: OURS, cold: cost(365, 2.0), warm: cost(52, 0.1) },
            Row { tool: SKOPEO, cold: cost(679, 3.0), warm: cost(251, 0.7) },
        ];
        let goals = goals(&rows);
        let missed: Vec<_> = goals.iter().filter(|g| !g.met).map(|g| g.what.as_str()).collect();
        assert_eq!(missed.len(), 2, "CPU 0.67, wall 1: {missed:?}");
        assert!(render(&rows, &goals).contains("| registry-mirror | 365 | 84 | 2.00 | 1.00 | 20 |"));
    }
}
