//! Grammar, and errors before anything is done.

use crate::case::{Case, Exit, Needs, Out, Step, fails, ok};

const USAGE: &str = "usage text of vmrun 1.17.0";
const VIX: &str = "open-vm-tools, vix.h";

pub const CASES: &[Case] = &[
    Case::new(
        "a bare call prints banner and usage",
        USAGE,
        Needs::Off,
        &[Step::Run {
            words: &[],
            exit: Exit::Failed,
            out: Out::Has(&["vmrun version 1.", "Usage: vmrun", "COMMAND", "listSnapshots", "runProgramInGuest"]),
        }],
    ),
    Case::new(
        "an unknown command is named",
        USAGE,
        Needs::Off,
        &[Step::Run {
            words: &["frobnicate", "{vmx}"],
            exit: Exit::Failed,
            out: Out::Has(&["Unrecognized command: frobnicate", "Usage: vmrun"]),
        }],
    ),
    Case::new(
        "an unknown flag is named",
        "wrappers that look for this text",
        Needs::Off,
        &[Step::Run { words: &["-frob", "list"], exit: Exit::Failed, out: Out::Has(&["-frob", "Usage: vmrun"]) }],
    ),
    Case::new(
        "a missing parameter is a failure",
        USAGE,
        Needs::Off,
        &[Step::Run { words: &["snapshot", "{vmx}"], exit: Exit::Failed, out: Out::Has(&["Usage: vmrun"]) }],
    ),
    Case::new(
        "commands are known in any case",
        "usage text and scripts mix CopyFile... and copyFile...",
        Needs::Off,
        &[ok(&["LISTsnapshots", "{vmx}"], Out::Is("Total snapshots: 0"))],
    ),
    Case::new(
        "a .vmx that is not there",
        VIX,
        Needs::Off,
        &[
            fails(
                &["start", "{missing}", "nogui"],
                "Error: Cannot open VM: {missing}, The virtual machine cannot be found",
            ),
            fails(
                &["stop", "{missing}", "hard"],
                "Error: Cannot open VM: {missing}, The virtual machine cannot be found",
            ),
            fails(
                &["listSnapshots", "{missing}"],
                "Error: Cannot open VM: {missing}, The virtual machine cannot be found",
            ),
        ],
    ),
    Case::new(
        "a path that is no .vmx",
        VIX,
        Needs::Off,
        &[fails(&["start", "{iso}", "nogui"], "Error: Cannot open VM: {iso}, unknown file suffix")],
    ),
    Case::new(
        "a .vmx without its version keys",
        "forum reports of both keys missing",
        Needs::Off,
        &[
            Step::Write { path: "{dir}/bad.vmx", text: "displayName = \"bad\"\n" },
            fails(
                &["start", "{dir}/bad.vmx", "nogui"],
                "Error: Cannot open VM: {dir}/bad.vmx, Cannot read the virtual machine configuration file",
            ),
        ],
    ),
    Case::new(
        "a machine that is off",
        VIX,
        Needs::Off,
        &[
            fails(&["stop", "{vmx}", "soft"], "Error: The virtual machine is not powered on: {vmx}"),
            fails(&["stop", "{vmx}", "hard"], "Error: The virtual machine is not powered on: {vmx}"),
            fails(&["reset", "{vmx}", "hard"], "Error: The virtual machine is not powered on: {vmx}"),
            fails(&["suspend", "{vmx}", "hard"], "Error: The virtual machine is not powered on: {vmx}"),
            fails(&["pause", "{vmx}"], "Error: The virtual machine is not powered on: {vmx}"),
            fails(&["getGuestIPAddress", "{vmx}"], "Error: The virtual machine is not powered on: {vmx}"),
            fails(
                &["disconnectNamedDevice", "{vmx}", "sata0:1"],
                "Error: The virtual machine is not powered on: {vmx}",
            ),
            Step::Run {
                words: &["-gu", "root", "-gp", "x", "listProcessesInGuest", "{vmx}"],
                exit: Exit::Failed,
                out: Out::Is("Error: The virtual machine is not powered on: {vmx}"),
            },
        ],
    ),
    Case::new(
        "Tools of a machine that is off",
        "report of a Windows host: unknown, exit code -2",
        Needs::Off,
        &[Step::Run { words: &["checkToolsState", "{vmx}"], exit: Exit::Any, out: Out::Has(&["unknown"]) }],
    ),
    Case::new(
        "a machine that is off is not listed",
        "vagrant",
        Needs::Off,
        &[ok(&["list"], Out::Begins("Total running VMs: ")), ok(&["list"], Out::Lacks("{vmx}"))],
    ),
];
