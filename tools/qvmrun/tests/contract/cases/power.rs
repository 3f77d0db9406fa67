//! Machines that run.

use crate::case::{Case, Exit, Needs, Out, Step, fails, ok, quiet};

const USAGE: &str = "usage text of vmrun 1.17.0";
const VIX: &str = "open-vm-tools, vix.h";
const START: Step = quiet(&["start", "{vmx}", "nogui"]);
const STOP: Step = quiet(&["stop", "{vmx}", "hard"]);
const LISTED: Step = ok(&["list"], Out::Has(&["Total running VMs: ", "{vmx}"]));
const NOT_LISTED: Step = ok(&["list"], Out::Lacks("{vmx}"));

pub const CASES: &[Case] = &[
    Case::new("started, listed, stopped, not listed", USAGE, Needs::Startable, &[START, LISTED, STOP, NOT_LISTED]),
    Case::new(
        "a machine that runs has its lock",
        "packer: X.vmx.lck is a folder",
        Needs::Startable,
        &[START, Step::File { path: "{vmx}.lck", there: true }, STOP, Step::File { path: "{vmx}.lck", there: false }],
    ),
    Case::new(
        "started twice",
        "open-vm-tools, vix.h: 3007; the text varies",
        Needs::Startable,
        &[START, Step::Run { words: &["start", "{vmx}", "nogui"], exit: Exit::Any, out: Out::Any }, LISTED, STOP],
    ),
    Case::new(
        "a hard reset goes on running",
        USAGE,
        Needs::Startable,
        &[START, quiet(&["reset", "{vmx}", "hard"]), LISTED, STOP],
    ),
    Case::new(
        "a running machine is not deleted",
        VIX,
        Needs::Startable,
        &[
            START,
            Step::Run { words: &["deleteVM", "{vmx}"], exit: Exit::Failed, out: Out::Begins("Error: ") },
            LISTED,
            STOP,
            Step::File { path: "{vmx}", there: true },
        ],
    ),
    Case::new(
        "a running machine is not cloned",
        "reports: One of the parameters was invalid",
        Needs::Startable,
        &[
            START,
            Step::Run {
                words: &["clone", "{vmx}", "{clone}", "full"],
                exit: Exit::Failed,
                out: Out::Begins("Error: "),
            },
            STOP,
        ],
    ),
    Case::new(
        "a CD drive is connected and disconnected",
        "VMware's vmrun reference; sata0:1 in reports",
        Needs::Startable,
        &[
            START,
            quiet(&["disconnectNamedDevice", "{vmx}", "sata0:1"]),
            quiet(&["connectNamedDevice", "{vmx}", "sata0:1"]),
            Step::Run {
                words: &["disconnectNamedDevice", "{vmx}", "sata0:9"],
                exit: Exit::Failed,
                out: Out::Begins("Error: "),
            },
            STOP,
        ],
    ),
    Case::new(
        "guest variables of a running machine",
        "VMware's vmrun reference",
        Needs::Startable,
        &[
            START,
            quiet(&["writeVariable", "{vmx}", "guestVar", "airlab.state", "done"]),
            ok(&["readVariable", "{vmx}", "guestVar", "airlab.state"], Out::Is("done")),
            STOP,
        ],
    ),
    Case::new(
        "without Tools",
        VIX,
        Needs::Memory,
        &[
            START,
            ok(&["checkToolsState", "{vmx}"], Out::OneOf(&["unknown", "installed"])),
            Step::Run {
                words: &["stop", "{vmx}", "soft"],
                exit: Exit::Failed,
                out: Out::Has(&["Tools are not running"]),
            },
            Step::Run { words: &["getGuestIPAddress", "{vmx}"], exit: Exit::Failed, out: Out::Begins("Error: ") },
            Step::Run {
                words: &["-gu", "root", "-gp", "x", "fileExistsInGuest", "{vmx}", "/etc/passwd"],
                exit: Exit::Failed,
                out: Out::Has(&["Tools are not running"]),
            },
            LISTED,
            STOP,
        ],
    ),
    Case::new(
        "paused and unpaused",
        USAGE,
        Needs::Memory,
        &[START, quiet(&["pause", "{vmx}"]), quiet(&["unpause", "{vmx}"]), LISTED, STOP],
    ),
    Case::new(
        "suspended and started again",
        USAGE,
        Needs::Memory,
        &[
            START,
            quiet(&["suspend", "{vmx}", "hard"]),
            NOT_LISTED,
            fails(&["stop", "{vmx}", "hard"], "Error: The virtual machine is not powered on: {vmx}"),
            START,
            LISTED,
            STOP,
        ],
    ),
    Case::new(
        "a snapshot of a running machine",
        "VMware's vmrun reference",
        Needs::Memory,
        &[
            START,
            quiet(&["snapshot", "{vmx}", "live"]),
            LISTED,
            ok(&["listSnapshots", "{vmx}"], Out::Is("Total snapshots: 1\nlive")),
            STOP,
            quiet(&["revertToSnapshot", "{vmx}", "live"]),
            START,
            LISTED,
            STOP,
        ],
    ),
];
