//! What vmrun's failures mean. They are recognized by the `Error:` lines and the exit code alone, never by stderr.

use super::text::lines;

/// What an `Error:` line means (texts of open-vm-tools' `vix.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such .vmx.
    VmNotFound,
    /// The .vmx cannot be read; right after a suspend this may pass.
    BadVmx,
    /// The machine is encrypted and wants a password.
    Encrypted,
    /// The machine is off.
    NotRunning,
    /// The machine is on already.
    AlreadyRunning,
    /// VMware Tools do not run in the guest (yet).
    ToolsNotRunning,
    /// The guest's address is not known (yet).
    NoAddress,
    /// User name or password of the guest are wrong, missing, or the user is not logged in at the console.
    GuestLogin,
    /// The program in the guest ended with this exit code.
    GuestExit(i32),
    /// A file in the guest is not there or not allowed.
    GuestFile,
    /// The host's operating system refused.
    HostPermission,
    /// A dialog came up that nobody could answer; `vmware.log` says which.
    Canceled,
    /// VMware is busy or does not answer; trying again may help.
    Busy,
    /// vmrun itself cannot work on this host.
    HostBroken,
    /// A snapshot of that name is there already, or there are several.
    SnapshotConflict,
    /// There is no such snapshot.
    SnapshotMissing,
    /// A file of the machine is locked.
    Locked,
    /// VMware cannot do this with the machine as it is, or with this kind of machine.
    NotPossible,
    /// vmrun did not understand us.
    NotUnderstood,
    /// Anything else.
    Other,
}

const KINDS: &[(&str, ErrorKind)] = &[
    ("virtual machine cannot be found", ErrorKind::VmNotFound),
    ("unknown file suffix", ErrorKind::NotUnderstood),
    ("Cannot read the virtual machine configuration file", ErrorKind::BadVmx),
    ("password is required for this operation", ErrorKind::Encrypted),
    ("is not powered on", ErrorKind::NotRunning),
    ("is already running", ErrorKind::AlreadyRunning),
    ("Tools are not running", ErrorKind::ToolsNotRunning),
    ("Unable to get the IP address", ErrorKind::NoAddress),
    ("Invalid user name or password for the guest OS", ErrorKind::GuestLogin),
    ("Anonymous guest operations are not allowed", ErrorKind::GuestLogin),
    ("must be logged in interactively", ErrorKind::GuestLogin),
    ("Insufficient permissions in the host operating system", ErrorKind::HostPermission),
    ("operation was canceled", ErrorKind::Canceled),
    ("Unable to connect to host", ErrorKind::Busy),
    ("operation is not supported", ErrorKind::NotPossible),
    ("One of the parameters was invalid", ErrorKind::NotPossible),
    ("vmrun was unable to start", ErrorKind::HostBroken),
    ("snapshot with the name already exists", ErrorKind::SnapshotConflict),
    ("name is not unique", ErrorKind::SnapshotConflict),
    ("snapshot does not exist", ErrorKind::SnapshotMissing),
    ("Invalid snapshot name", ErrorKind::SnapshotMissing),
    (" lock", ErrorKind::Locked),
    ("A file was not found", ErrorKind::GuestFile),
    ("do not have access rights to this file", ErrorKind::GuestFile),
    ("Unrecognized command", ErrorKind::NotUnderstood),
    ("Invalid argument", ErrorKind::NotUnderstood),
];

const GUEST_EXIT: &str = "exited with non-zero exit code:";

/// What an answer says: `None` when the command went well. What is on standard error is shown to people where standard
/// output is empty, and never decides anything: harmless warnings go there.
pub(super) fn classify(stdout: &str, stderr: &str, code: i32) -> Option<(ErrorKind, String)> {
    let marked = lines(stdout).find_map(|l| l.trim().strip_prefix("Error:")).map(str::trim);
    if code == 0 && marked.is_none() {
        return None;
    }
    let known = |l: &&str| KINDS.iter().any(|(text, _)| l.contains(text)) || l.contains(GUEST_EXIT);
    let said = marked.or_else(|| lines(stdout).find(known)).or_else(|| lines(stdout).next_back());
    let Some(said) = said else {
        let shown = lines(stderr).next_back().unwrap_or("no output").to_owned();
        return Some((ErrorKind::Other, shown));
    };
    Some((kind_of(said), said.to_owned()))
}

fn kind_of(said: &str) -> ErrorKind {
    if let Some(code) = said.split_once(GUEST_EXIT).and_then(|(_, n)| n.trim().parse().ok()) {
        return ErrorKind::GuestExit(code);
    }
    KINDS.iter().find(|(known, _)| said.contains(known)).map_or(ErrorKind::Other, |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts as vmrun prints them (open-vm-tools `vix.h`, and what wrappers and field notes report), with their class.
    const TEXTS: &[(&str, ErrorKind)] = &[
        ("Cannot open VM: C:\\vms\\m.vmx, The virtual machine cannot be found", ErrorKind::VmNotFound),
        ("Cannot open VM: /x, unknown file suffix", ErrorKind::NotUnderstood),
        ("Cannot open VM: /my lock/m.vmx, Cannot read the virtual machine configuration file", ErrorKind::BadVmx),
        ("Cannot open VM: /m.vmx, A password is required for this operation", ErrorKind::Encrypted),
        ("The virtual machine is not powered on: /m.vmx", ErrorKind::NotRunning),
        ("The virtual machine is already running: /m.vmx", ErrorKind::AlreadyRunning),
        ("The VMware Tools are not running in the virtual machine: /m.vmx", ErrorKind::ToolsNotRunning),
        ("VMware Tools are not running in the guest", ErrorKind::ToolsNotRunning),
        ("Unable to get the IP address", ErrorKind::NoAddress),
        ("Invalid user name or password for the guest OS", ErrorKind::GuestLogin),
        ("Anonymous guest operations are not allowed on this virtual machine. You must call x", ErrorKind::GuestLogin),
        ("The specified guest user must be logged in interactively to perform this operation", ErrorKind::GuestLogin),
        ("Insufficient permissions in the host operating system", ErrorKind::HostPermission),
        ("The operation was canceled", ErrorKind::Canceled),
        ("Unable to connect to host.", ErrorKind::Busy),
        ("The operation is not supported for the specified parameters", ErrorKind::NotPossible),
        ("One of the parameters was invalid", ErrorKind::NotPossible),
        ("vmrun was unable to start. Please make sure that vmrun is installed correctly", ErrorKind::HostBroken),
        ("A file was not found", ErrorKind::GuestFile),
        ("You do not have access rights to this file", ErrorKind::GuestFile),
        ("A snapshot with the name already exists", ErrorKind::SnapshotConflict),
        ("The snapshot does not exist", ErrorKind::SnapshotMissing),
        ("The file is already in use, or there is a lock on it", ErrorKind::Locked),
        ("Guest program exited with non-zero exit code: 3", ErrorKind::GuestExit(3)),
        ("Unrecognized command: unregister", ErrorKind::NotUnderstood),
        ("Invalid argument: -x", ErrorKind::NotUnderstood),
        ("Something new", ErrorKind::Other),
    ];

    #[test]
    fn every_text_has_its_class_whatever_the_exit_code_and_the_noise() {
        for (text, kind) in TEXTS {
            for code in [0, 1, 255, -1, -2] {
                let out = format!("2015-08-31T17:57:29.547| ServiceImpl_Opener: PID 5033\r\nError: {text}\r\n");
                let said = classify(&out, "Warning: program compiled against libxml 210 using older 209", code);
                assert_eq!(said, Some((*kind, (*text).to_owned())), "exit code {code}");
            }
        }
    }

    #[test]
    fn without_the_mark_only_the_exit_code_makes_it_a_failure() {
        assert_eq!(
            classify("Unrecognized command: x\n\nvmrun version 1.17.0\n", "", 255).unwrap().0,
            ErrorKind::NotUnderstood
        );
        assert_eq!(
            classify("Guest program exited with non-zero exit code: 7", "", 255).unwrap().0,
            ErrorKind::GuestExit(7)
        );
        assert_eq!(classify("all is well", "Error: cannot lock", 0), None);
        assert_eq!(
            classify("", "The operation was canceled", 255),
            Some((ErrorKind::Other, "The operation was canceled".into()))
        );
    }
}
