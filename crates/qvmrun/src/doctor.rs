//! `qvmrun doctor`: which engine the next start would take and why, and what each of them lacks here.

use std::fmt::Write;

use crate::choice::{self, Choice};
use crate::engine::Kind;
use crate::needs::{self, Need};
use crate::{Reply, qemu};

/// One line per check, by engine; exit code 1 when no engine can be chosen, or the chosen one lacks something.
pub(crate) fn reply() -> Reply {
    let mut stdout = String::new();
    let chosen = choice::wanted().and_then(|wanted| choice::choose(wanted, false));
    let mut code = 0;
    match &chosen {
        Ok(Choice { kind, why }) => {
            let _ = writeln!(stdout, "engine   {}: {why}", kind.word());
        }
        Err(failure) => {
            code = 1;
            let _ = writeln!(stdout, "engine   none: {failure}");
        }
    }
    let root = Need { what: "root".into(), met: rustix::process::geteuid().is_root(), advice: "sudo".into() };
    let container: Vec<Need> = std::iter::once(root).chain(needs::container()).collect();
    let obstacle = qemu::kvm_obstacle();
    let kvm = Need { what: "KVM".into(), met: obstacle.is_none(), advice: obstacle.unwrap_or_default() };
    let ovmf = needs::firmware();
    for (kind, needs) in
        [(Kind::Container, container), (Kind::Tcg, [needs::qemu(), vec![ovmf]].concat()), (Kind::Kvm, vec![kvm])]
    {
        let _ = writeln!(stdout, "\n{}", title(kind));
        let lacks = needs.iter().any(|n| !n.met);
        if lacks && chosen.as_ref().is_ok_and(|c| c.kind == kind) {
            code = 1;
        }
        for need in needs {
            let _ = match need.met {
                true => writeln!(stdout, "ok       {}", need.what),
                false => writeln!(stdout, "missing  {}: {}", need.what, need.advice),
            };
        }
    }
    Reply { stdout, code, ..Reply::default() }
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Container => "container: system containers on this host's kernel",
        Kind::Tcg => "tcg: machines, emulated; needs no root (without it nodes do not see each other)",
        Kind::Kvm => "kvm: machines on the processor's own virtualisation; needs what tcg needs, and",
    }
}
