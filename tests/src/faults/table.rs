//! How every call must end with every fault.

use super::call::Call;

/// How a call ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// It succeeds, and what it was to do is done.
    Done,
    /// It fails with this one error.
    Error(String),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Error(id) => f.write_str(id),
        }
    }
}

/// `ONCE/ALWAYS` for each call and fault: the end when only the first call of vmrun has the fault, and when all have
/// it. `+` is success, anything else the end of the error's id: EXE-004 no end within the deadline, VMR-006 no Tools,
/// VMR-010 canceled, VMR-016 no words (vmrun was killed), VMR-018 not in the state it should have.
const TABLE: &str = "\
                   hang      error-exit-zero noise junk-first-line crlf cp949 slow-stop tools-never     power-cut       canceled  dies-after
is_running         +/EXE-004 +/VMR-010       +/+   +/+             +/+  +/+   +/+       +/+             +/+             +/VMR-010 +/VMR-016
ensure_running     +/EXE-004 +/VMR-010       +/+   +/+             +/+  +/+   +/+       +/+             VMR-018/VMR-018 +/VMR-010 +/+
ensure_stopped     +/EXE-004 +/VMR-010       +/+   +/+             +/+  +/+   +/EXE-004 +/+             +/+             +/VMR-010 +/+
ensure_deleted     +/EXE-004 +/VMR-010       +/+   +/+             +/+  +/+   +/+       +/+             +/+             +/VMR-010 +/+
disconnect         +/EXE-004 +/VMR-010       +/+   +/+             +/+  +/+   +/+       +/+             +/+             +/VMR-010 +/VMR-016
ensure_snapshot    +/EXE-004 +/VMR-010       +/+   +/+             +/+  +/+   +/+       +/+             +/+             +/VMR-010 +/+
ensure_no_snapshot +/EXE-004 +/VMR-010       +/+   +/+             +/+  +/+   +/+       +/+             +/+             +/VMR-010 +/+
revert             +/EXE-004 +/VMR-010       +/+   +/+             +/+  +/+   +/+       +/+             +/+             +/VMR-010 +/VMR-016
ensure_clone       +/EXE-004 +/VMR-010       +/+   +/+             +/+  +/+   +/+       +/+             +/+             +/VMR-010 +/+
tools              +/EXE-004 +/VMR-010       +/+   +/+             +/+  +/+   +/+       +/+             +/+             +/VMR-010 +/VMR-016
address            +/EXE-004 +/VMR-010       +/+   +/+             +/+  +/+   +/+       VMR-006/VMR-006 +/+             +/VMR-010 +/VMR-016
";

/// The end that the table wants; `None` for a cell that is missing.
pub(super) fn expected(call: Call, fault: &str, always: bool) -> Option<End> {
    let mut lines = TABLE.lines().filter(|l| !l.trim().is_empty());
    let column = lines.next()?.split_whitespace().position(|f| f == fault)?;
    let row = lines.find(|l| l.split_whitespace().next() == Some(call.name()))?;
    let cell = row.split_whitespace().nth(column + 1)?;
    let (once, every) = cell.split_once('/')?;
    Some(match if always { every } else { once } {
        "+" => End::Done,
        id => End::Error(format!("AL-{id}")),
    })
}
