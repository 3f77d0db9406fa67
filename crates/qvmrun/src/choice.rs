//! Which engine a machine is started with, and why.

use crate::Failure;
use crate::engine::Kind;
use crate::{needs, qemu};

/// A choice, in words that `qvmrun doctor` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) kind: Kind,
    pub(crate) why: String,
}

/// What `QVMRUN_ENGINE` asks for; nothing for `auto`.
pub(crate) fn wanted() -> Result<Option<Kind>, Failure> {
    let word = std::env::var("QVMRUN_ENGINE").unwrap_or_default();
    match word.as_str() {
        "" | "auto" => Ok(None),
        word => Kind::named(word)
            .map(Some)
            .ok_or_else(|| Failure::Usage { what: format!("QVMRUN_ENGINE={word}: not auto, container, tcg or kvm") }),
    }
}

/// What keeps an engine from working here.
pub(crate) fn obstacles(kind: Kind) -> Vec<String> {
    match kind {
        Kind::Container => {
            let root = (!rustix::process::geteuid().is_root()).then(|| "not root".to_owned());
            root.into_iter().chain(needs::missing(&needs::container())).collect()
        }
        Kind::Tcg => needs::missing(&needs::qemu()),
        Kind::Kvm => needs::missing(&needs::qemu()).into_iter().chain(qemu::kvm_obstacle()).collect(),
    }
}

/// The engine for the next start. A suspended machine can only go on in a machine.
pub(crate) fn choose(wanted: Option<Kind>, suspended: bool) -> Result<Choice, Failure> {
    pick(wanted, suspended, obstacles)
}

fn pick(wanted: Option<Kind>, suspended: bool, obstacles: impl Fn(Kind) -> Vec<String>) -> Result<Choice, Failure> {
    if let Some(kind) = wanted {
        let found = obstacles(kind);
        // The container engine says itself what it misses, where it misses it.
        if kind != Kind::Container && !found.is_empty() {
            return Err(Failure::Unusable { engine: kind.word().into(), why: found.join(", ") });
        }
        return Ok(Choice { kind, why: format!("QVMRUN_ENGINE={}", kind.word()) });
    }
    let mut passed = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| !(suspended && *kind == Kind::Container)) {
        let found = obstacles(kind);
        if found.is_empty() {
            passed.push("it has all it needs".into());
            return Ok(Choice { kind, why: passed.join("; ") });
        }
        passed.push(format!("not {}: {}", kind.word(), found.join(", ")));
    }
    Err(Failure::Unusable { engine: "auto".into(), why: passed.join("; ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(usable: &'static [Kind]) -> impl Fn(Kind) -> Vec<String> {
        move |kind| if usable.contains(&kind) { Vec::new() } else { vec![format!("no {}", kind.word())] }
    }

    #[test]
    fn auto_takes_kvm_then_containers_then_emulation() {
        let auto = |usable| pick(None, false, here(usable)).map(|c| (c.kind, c.why)).unwrap();
        assert_eq!(auto(&Kind::ALL).0, Kind::Kvm);
        let (kind, why) = auto(&[Kind::Container, Kind::Tcg]);
        assert_eq!((kind, why.as_str()), (Kind::Container, "not kvm: no kvm; it has all it needs"));
        assert_eq!(auto(&[Kind::Tcg]).0, Kind::Tcg);
        assert!(pick(None, false, here(&[])).is_err());
    }

    #[test]
    fn a_suspended_machine_does_not_go_to_a_container_by_itself() {
        let kind = |wanted| pick(wanted, true, here(&[Kind::Container, Kind::Tcg])).unwrap().kind;
        assert_eq!(kind(None), Kind::Tcg);
        assert_eq!(kind(Some(Kind::Container)), Kind::Container);
    }

    #[test]
    fn an_engine_that_is_asked_for_and_cannot_work_is_refused() {
        assert!(matches!(pick(Some(Kind::Kvm), false, here(&[Kind::Tcg])), Err(Failure::Unusable { .. })));
    }
}
