//! A guest in which Tools run: nothing but its folder for temporary files is changed.

use crate::case::{Case, Exit, Needs, Out, Step, fails, ok, quiet};

const REPORTS: &str = "usage text of vmrun 1.17.0, reports of hosts";
const VIX: &str = "open-vm-tools, vix.h";

pub const CASES: &[Case] = &[
    Case::new(
        "Tools run and know an address",
        "vagrant, mech",
        Needs::Guest,
        &[
            ok(&["checkToolsState", "{vmx}"], Out::OneOf(&["running", "installed"])),
            ok(&["getGuestIPAddress", "{vmx}", "-wait"], Out::Has(&["."])),
        ],
    ),
    Case::new(
        "files and folders that are there or not",
        REPORTS,
        Needs::Guest,
        &[
            ok(&["fileExistsInGuest", "{vmx}", "/etc/passwd"], Out::Is("The file exists.")),
            Step::Run {
                words: &["fileExistsInGuest", "{vmx}", "/etc/none"],
                exit: Exit::Any,
                out: Out::Is("The file does not exist."),
            },
            ok(&["directoryExistsInGuest", "{vmx}", "/etc"], Out::Is("The directory exists.")),
            Step::Run {
                words: &["directoryExistsInGuest", "{vmx}", "/none"],
                exit: Exit::Any,
                out: Out::Is("The directory does not exist."),
            },
        ],
    ),
    Case::new(
        "a file goes there and comes back",
        REPORTS,
        Needs::Guest,
        &[
            Step::Write { path: "{local}", text: "one\ntwo\n" },
            quiet(&["createDirectoryInGuest", "{vmx}", "/tmp/airlab-contract"]),
            quiet(&["copyFileFromHostToGuest", "{vmx}", "{local}", "/tmp/airlab-contract/a"]),
            quiet(&["renameFileInGuest", "{vmx}", "/tmp/airlab-contract/a", "/tmp/airlab-contract/b"]),
            ok(&["listDirectoryInGuest", "{vmx}", "/tmp/airlab-contract"], Out::Has(&["\nb"])),
            quiet(&["copyFileFromGuestToHost", "{vmx}", "/tmp/airlab-contract/b", "{local}.back"]),
            Step::Holds { path: "{local}.back", text: "one\ntwo\n" },
            quiet(&["deleteFileInGuest", "{vmx}", "/tmp/airlab-contract/b"]),
            fails(&["deleteFileInGuest", "{vmx}", "/tmp/airlab-contract/b"], "Error: A file was not found"),
            quiet(&["deleteDirectoryInGuest", "{vmx}", "/tmp/airlab-contract"]),
        ],
    ),
    Case::new(
        "a temporary file",
        REPORTS,
        Needs::Guest,
        &[ok(&["createTempfileInGuest", "{vmx}"], Out::Begins("/tmp/"))],
    ),
    Case::new(
        "programs run, and their output is never returned",
        REPORTS,
        Needs::Guest,
        &[
            quiet(&["runProgramInGuest", "{vmx}", "/bin/echo", "hello"]),
            quiet(&["runScriptInGuest", "{vmx}", "/bin/sh", "echo hello"]),
            quiet(&["runProgramInGuest", "{vmx}", "-noWait", "/bin/sleep", "1"]),
        ],
    ),
    Case::new(
        "a program's exit code is told",
        REPORTS,
        Needs::Guest,
        &[Step::Run {
            words: &["runScriptInGuest", "{vmx}", "/bin/sh", "exit 3"],
            exit: Exit::Failed,
            out: Out::Has(&["Guest program exited with non-zero exit code: 3"]),
        }],
    ),
    Case::new(
        "a program that is not there",
        VIX,
        Needs::Guest,
        &[fails(&["runProgramInGuest", "{vmx}", "/none"], "Error: A file was not found")],
    ),
    Case::new(
        "processes are listed",
        REPORTS,
        Needs::Guest,
        &[ok(&["listProcessesInGuest", "{vmx}"], Out::Has(&["Process list: ", "pid=1, owner=root, cmd="]))],
    ),
    Case::new(
        "without a login",
        "open-vm-tools, vix.h: 3018",
        Needs::Guest,
        &[Step::Run {
            words: &["-T", "ws", "fileExistsInGuest", "{vmx}", "/etc/passwd"],
            exit: Exit::Failed,
            out: Out::Begins("Error: Anonymous guest operations are not allowed on this virtual machine"),
        }],
    ),
    Case::new(
        "a user that is not there",
        "open-vm-tools, vix.h: 3024",
        Needs::Guest,
        &[Step::Run {
            words: &["-T", "ws", "-gu", "nobody-here", "-gp", "x", "fileExistsInGuest", "{vmx}", "/etc/passwd"],
            exit: Exit::Failed,
            out: Out::Is("Error: Invalid user name or password for the guest OS"),
        }],
    ),
    Case::new(
        "keystrokes",
        "five reports of hosts, all with this text",
        Needs::Guest,
        &[fails(
            &["typeKeystrokesInGuest", "{vmx}", "x"],
            "Error: Insufficient permissions in the host operating system",
        )],
    ),
];
