//! The steps of a run as its lines tell of them.

use std::time::Duration;

use crate::proof::{Fail, ensure};

/// Every step of a run with its length, in the order of the plan; `STEP/NODE` where a step is told node by node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Steps(Vec<(String, Duration)>);

impl Steps {
    /// From an undisturbed run's lines; each of the `listed` steps must have begun and ended.
    pub(super) fn of(lines: &[(Duration, String)], listed: &[String]) -> Result<Self, Fail> {
        let mut steps = Vec::new();
        for step in listed {
            let below = format!("{step}/");
            let lines = own(lines, step);
            let begun = lines.iter().filter_map(|(at, l)| Some((*at, began(l)?)));
            let mine: Vec<_> = begun.filter(|(_, s)| s == step || s.starts_with(&below)).collect();
            ensure!(!mine.is_empty(), "the plan lists {step}, but the run never began it");
            for (at, name) in mine {
                let end = lines.iter().find(|(t, l)| *t >= at && ended(l).as_deref() == Some(&name));
                let Some((end, _)) = end else { return Err(Fail(format!("{name} began and never ended"))) };
                steps.push((name, end.saturating_sub(at)));
            }
        }
        in_order(lines, listed)?;
        Ok(Self(steps))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn length(&self, step: &str) -> Result<Duration, Fail> {
        let found = self.0.iter().find(|(name, _)| name == step);
        found.map(|(_, length)| *length).ok_or_else(|| Fail(format!("no step {step}")))
    }
}

/// The steps begin in the order of the plan, and none begins that the plan does not have. Libraries tell of their own
/// below a name of theirs (`k3s/NODE`).
fn in_order(lines: &[(Duration, String)], listed: &[String]) -> Result<(), Fail> {
    let outer = ["files", "network"].into_iter().filter(|s| listed.iter().any(|l| l == s)).map(str::to_owned);
    let begun =
        own(lines, "").iter().filter_map(|(_, l)| began(l)).map(|s| s.split('/').next().unwrap_or("").to_owned());
    let mut seen: Vec<String> = outer.chain(begun.filter(|s| s != "k3s")).collect();
    let mut met = std::collections::BTreeSet::new();
    seen.retain(|step| met.insert(step.clone()));
    ensure!(seen == listed, "the plan lists {listed:?}, the run had {seen:?}");
    Ok(())
}

/// The lines among which those of this step are: parts that are built inside `files` are called like later steps.
pub(super) fn own<'a>(lines: &'a [(Duration, String)], step: &str) -> &'a [(Duration, String)] {
    if ["files", "network"].contains(&step) {
        return lines;
    }
    let outer = lines.iter().position(|(_, l)| ended(l).as_deref() == Some("network"));
    &lines[outer.unwrap_or(lines.len())..]
}

fn text(line: &str) -> &str {
    line.strip_prefix('[').and_then(|l| l.split_once("] ")).map_or(line, |(_, text)| text)
}

/// The step that this line says has begun.
pub(super) fn began(line: &str) -> Option<String> {
    text(line).strip_suffix(" ...").filter(|s| !s.contains([' ', ':'])).map(str::to_owned)
}

/// The step that this line says has ended well.
pub(super) fn ended(line: &str) -> Option<String> {
    let (step, rest) = text(line).split_once(": ")?;
    let timed = rest.strip_suffix(" s)")?.rsplit_once('(')?.1.parse::<f64>().is_ok();
    (timed && !step.contains(' ')).then(|| step.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_their_lengths_are_read_from_the_lines() {
        let said = [
            (1, "[00:01, 00:09 left] files ..."),
            (1, "[00:01] images ..."),
            (2, "[00:02] images: already as wanted (0.0 s)"),
            (3, "[00:03] files: already as wanted (2.0 s)"),
            (3, "[00:03] network ..."),
            (4, "[00:04] network: up (0.1 s)"),
            (4, "[00:04] images ..."),
            (5, "[00:05] images: 1 of 2 images"),
            (9, "[00:09] images: 2 images (5.0 s)"),
            (9, "[00:09] server/first ..."),
            (9, "[00:09] waiting for k3s, 5 s; last: activating: a (1.0 s) b"),
            (12, "[00:12] server/first: started; and 2 more (3.0 s)"),
        ];
        let lines: Vec<_> = said.iter().map(|(at, l)| (Duration::from_secs(*at), (*l).to_owned())).collect();
        let listed = ["files", "network", "images", "server"].map(str::to_owned);
        let steps = Steps::of(&lines, &listed).unwrap();
        let lengths: Vec<_> = steps.names().map(|s| (s, steps.length(s).unwrap().as_secs())).collect();
        assert_eq!(lengths, [("files", 2), ("network", 1), ("images", 5), ("server/first", 3)]);
        assert!(Steps::of(&lines, &["ready".to_owned()]).is_err());
        assert!(Steps::of(&lines, &["files", "network", "server", "images"].map(str::to_owned)).is_err());
        assert!(Steps::of(&lines, &["files", "network", "images"].map(str::to_owned)).is_err());
    }
}
