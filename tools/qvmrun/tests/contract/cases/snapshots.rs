//! Snapshots of a machine that is off.

use crate::case::{Case, Exit, Needs, Out, Step, fails, ok, quiet};

const VAGRANT: &str = "vagrant, ntdrive's tests";
const VIX: &str = "open-vm-tools, vix.h";

pub const CASES: &[Case] = &[
    Case::new(
        "snapshots are counted and listed, parents first",
        VAGRANT,
        Needs::Off,
        &[
            ok(&["listSnapshots", "{vmx}"], Out::Is("Total snapshots: 0")),
            quiet(&["snapshot", "{vmx}", "one"]),
            quiet(&["snapshot", "{vmx}", "two words"]),
            ok(&["listSnapshots", "{vmx}"], Out::Is("Total snapshots: 2\none\ntwo words")),
        ],
    ),
    Case::new(
        "showTree indents with tabs",
        VAGRANT,
        Needs::Off,
        &[
            quiet(&["snapshot", "{vmx}", "one"]),
            quiet(&["snapshot", "{vmx}", "two"]),
            quiet(&["revertToSnapshot", "{vmx}", "one"]),
            quiet(&["snapshot", "{vmx}", "three"]),
            ok(&["listSnapshots", "{vmx}", "showTree"], Out::Is("Total snapshots: 3\none\n\ttwo\n\tthree")),
        ],
    ),
    Case::new(
        "a snapshot can be named by its path",
        "VMware's vmrun reference",
        Needs::Off,
        &[
            quiet(&["snapshot", "{vmx}", "one"]),
            quiet(&["snapshot", "{vmx}", "two"]),
            quiet(&["revertToSnapshot", "{vmx}", "one"]),
            quiet(&["revertToSnapshot", "{vmx}", "one/two"]),
            quiet(&["snapshot", "{vmx}", "three"]),
            ok(&["listSnapshots", "{vmx}", "showTree"], Out::Is("Total snapshots: 3\none\n\ttwo\n\t\tthree")),
        ],
    ),
    Case::new(
        "a name that is taken",
        "mech's tests; vix.h: 13004",
        Needs::Off,
        &[
            quiet(&["snapshot", "{vmx}", "one"]),
            fails(&["snapshot", "{vmx}", "one"], "Error: A snapshot with the name already exists"),
            ok(&["listSnapshots", "{vmx}"], Out::Is("Total snapshots: 1\none")),
        ],
    ),
    Case::new(
        "a snapshot that is not there",
        VIX,
        Needs::Off,
        &[
            Step::Run {
                words: &["revertToSnapshot", "{vmx}", "none"],
                exit: Exit::Failed,
                out: Out::Begins("Error: "),
            },
            Step::Run { words: &["deleteSnapshot", "{vmx}", "none"], exit: Exit::Failed, out: Out::Begins("Error: ") },
        ],
    ),
    Case::new(
        "deleting one keeps what came after it",
        "VMware's vmrun reference",
        Needs::Off,
        &[
            quiet(&["snapshot", "{vmx}", "one"]),
            quiet(&["snapshot", "{vmx}", "two"]),
            quiet(&["deleteSnapshot", "{vmx}", "one"]),
            ok(&["listSnapshots", "{vmx}", "showTree"], Out::Is("Total snapshots: 1\ntwo")),
            quiet(&["revertToSnapshot", "{vmx}", "two"]),
        ],
    ),
    Case::new(
        "andDeleteChildren deletes them too",
        "usage text of vmrun 1.17.0",
        Needs::Off,
        &[
            quiet(&["snapshot", "{vmx}", "one"]),
            quiet(&["snapshot", "{vmx}", "two"]),
            quiet(&["deleteSnapshot", "{vmx}", "one", "andDeleteChildren"]),
            ok(&["listSnapshots", "{vmx}"], Out::Is("Total snapshots: 0")),
            Step::File { path: "{vmx}", there: true },
        ],
    ),
    Case::new(
        "reverting brings the configuration back",
        "VMware's vmrun reference",
        Needs::Off,
        &[
            quiet(&["writeVariable", "{vmx}", "runtimeConfig", "annotation", "before"]),
            quiet(&["snapshot", "{vmx}", "one"]),
            quiet(&["writeVariable", "{vmx}", "runtimeConfig", "annotation", "after"]),
            quiet(&["revertToSnapshot", "{vmx}", "one"]),
            ok(&["readVariable", "{vmx}", "runtimeConfig", "annotation"], Out::Is("before")),
        ],
    ),
];
