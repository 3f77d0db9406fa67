//! The one place where commands become words: flags, command, .vmx, parameters, always in this order.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::command::{Command, PowerMode};
use super::guest::{GuestOp, GuestRun, VariableKind};

impl Command {
    /// The words after the program's name, for people and logs: a guest password is shown as `***`.
    ///
    /// ```
    /// use vmware::vmrun::Command;
    /// let words = Command::start(std::path::Path::new("/vms/master/master.vmx")).argv();
    /// assert_eq!(words, ["-T", "ws", "start", "/vms/master/master.vmx", "nogui"]);
    /// ```
    pub fn argv(&self) -> Vec<String> {
        self.words(None, false)
    }

    /// The words, with the password of an encrypted machine. It goes along with every call: vmrun opens the machine
    /// even to ask for its state. Only with `secrets` the passwords are among the words, for vmrun alone.
    pub(super) fn words(&self, machine: Option<&SecretString>, secrets: bool) -> Vec<String> {
        let mut out = vec!["-T".to_owned(), "ws".to_owned()];
        let shown = |secret: &SecretString| if secrets { secret.expose_secret().to_owned() } else { "***".to_owned() };
        if let Some(password) = machine {
            out.extend(["-vp".to_owned(), shown(password)]);
        }
        if let Self::Guest { login, .. } = self {
            let password = shown(&login.password);
            out.extend(["-gu", &login.user, "-gp", &password].map(str::to_owned));
        }
        out.extend(self.tail());
        out
    }

    fn tail(&self) -> Vec<String> {
        let one = |name: &str, vmx: &Path, rest: &[&str]| {
            let front = [name.to_owned(), vmx.to_string_lossy().into_owned()];
            front.into_iter().chain(rest.iter().map(|s| (*s).to_owned())).collect::<Vec<_>>()
        };
        let bare = |words: &[&str]| words.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let power = |m: &PowerMode| if *m == PowerMode::Hard { "hard" } else { "soft" };
        let when = |yes: bool, word: &'static str| if yes { vec![word] } else { vec![] };
        let or_none = |s: &Option<String>| s.clone().into_iter().collect::<Vec<_>>();
        match self {
            Self::List => bare(&["list"]),
            Self::Start { vmx, gui } => one("start", vmx, &[if *gui { "gui" } else { "nogui" }]),
            Self::Stop { vmx, mode } => one("stop", vmx, &[power(mode)]),
            Self::Reset { vmx, mode } => one("reset", vmx, &[power(mode)]),
            Self::Suspend { vmx, mode } => one("suspend", vmx, &[power(mode)]),
            Self::Pause { vmx } => one("pause", vmx, &[]),
            Self::Unpause { vmx } => one("unpause", vmx, &[]),
            Self::ListSnapshots { vmx, tree } => one("listSnapshots", vmx, &when(*tree, "showTree")),
            Self::Snapshot { vmx, name } => one("snapshot", vmx, &[name]),
            Self::RevertToSnapshot { vmx, name } => one("revertToSnapshot", vmx, &[name]),
            Self::DeleteSnapshot { vmx, name, children } => {
                one("deleteSnapshot", vmx, &[&[name.as_str()], &when(*children, "andDeleteChildren")[..]].concat())
            }
            Self::ListNetworkAdapters { vmx } => one("listNetworkAdapters", vmx, &[]),
            Self::AddNetworkAdapter { vmx, kind, network } => {
                one("addNetworkAdapter", vmx, &[kind]).into_iter().chain(or_none(network)).collect()
            }
            Self::SetNetworkAdapter { vmx, index, kind, network } => {
                let front = one("setNetworkAdapter", vmx, &[&index.to_string(), kind]);
                front.into_iter().chain(or_none(network)).collect()
            }
            Self::DeleteNetworkAdapter { vmx, index } => one("deleteNetworkAdapter", vmx, &[&index.to_string()]),
            Self::ListHostNetworks => bare(&["listHostNetworks"]),
            Self::ListPortForwardings { network } => bare(&["listPortForwardings", network]),
            Self::SetPortForwarding { network, protocol, host_port, guest_address, guest_port, description } => {
                let (host, guest) = (host_port.to_string(), guest_port.to_string());
                let front = bare(&["setPortForwarding", network, protocol, &host, guest_address, &guest]);
                front.into_iter().chain(or_none(description)).collect()
            }
            Self::DeletePortForwarding { network, protocol, host_port } => {
                bare(&["deletePortForwarding", network, protocol, &host_port.to_string()])
            }
            Self::ConnectNamedDevice { vmx, device } => one("connectNamedDevice", vmx, &[device]),
            Self::DisconnectNamedDevice { vmx, device } => one("disconnectNamedDevice", vmx, &[device]),
            Self::WriteVariable { vmx, kind, name, value } => {
                one("writeVariable", vmx, &[variable(*kind), name, value])
            }
            Self::ReadVariable { vmx, kind, name } => one("readVariable", vmx, &[variable(*kind), name]),
            Self::GetGuestIpAddress { vmx, wait } => one("getGuestIPAddress", vmx, &when(*wait, "-wait")),
            Self::CheckToolsState { vmx } => one("checkToolsState", vmx, &[]),
            Self::InstallTools { vmx } => one("installTools", vmx, &[]),
            Self::UpgradeVm { vmx } => one("upgradevm", vmx, &[]),
            Self::DeleteVm { vmx } => one("deleteVM", vmx, &[]),
            Self::Clone { vmx, target, linked, snapshot, name } => {
                let mut out = one("clone", vmx, &[&target.to_string_lossy(), if *linked { "linked" } else { "full" }]);
                out.extend(snapshot.iter().map(|s| format!("-snapshot={s}")));
                out.extend(name.iter().map(|n| format!("-cloneName={n}")));
                out
            }
            Self::AddSharedFolder { vmx, name, host } => one("addSharedFolder", vmx, &[name, &host.to_string_lossy()]),
            Self::SetSharedFolderState { vmx, name, host, writable } => {
                let state = if *writable { "writable" } else { "readonly" };
                one("setSharedFolderState", vmx, &[name, &host.to_string_lossy(), state])
            }
            Self::RemoveSharedFolder { vmx, name } => one("removeSharedFolder", vmx, &[name]),
            Self::EnableSharedFolders { vmx, runtime } => one("enableSharedFolders", vmx, &when(*runtime, "runtime")),
            Self::DisableSharedFolders { vmx, runtime } => one("disableSharedFolders", vmx, &when(*runtime, "runtime")),
            Self::DownloadPhotonVm { path } => bare(&["downloadPhotonVM", &path.to_string_lossy()]),
            Self::Guest { vmx, op, .. } => {
                let (name, rest) = in_guest(op);
                one(name, vmx, &rest.iter().map(String::as_str).collect::<Vec<_>>())
            }
        }
    }
}

fn variable(kind: VariableKind) -> &'static str {
    match kind {
        VariableKind::RuntimeConfig => "runtimeConfig",
        VariableKind::GuestEnv => "guestEnv",
        VariableKind::GuestVar => "guestVar",
    }
}

fn in_guest(op: &GuestOp) -> (&'static str, Vec<String>) {
    let words = |list: &[&String]| list.iter().map(|s| (*s).clone()).collect::<Vec<_>>();
    let flags = |how: &GuestRun| {
        let all = [(how.no_wait, "-noWait"), (how.active_window, "-activeWindow"), (how.interactive, "-interactive")];
        all.into_iter().filter(|(on, _)| *on).map(|(_, word)| word.to_owned()).collect::<Vec<_>>()
    };
    match op {
        GuestOp::RunProgram { how, program, args } => {
            let rest = flags(how).into_iter().chain([program.clone()]).chain(args.iter().cloned());
            ("runProgramInGuest", rest.collect())
        }
        GuestOp::RunScript { how, interpreter, script } => {
            ("runScriptInGuest", flags(how).into_iter().chain([interpreter.clone(), script.clone()]).collect())
        }
        GuestOp::FileExists { path } => ("fileExistsInGuest", words(&[path])),
        GuestOp::DirectoryExists { path } => ("directoryExistsInGuest", words(&[path])),
        GuestOp::ListProcesses => ("listProcessesInGuest", vec![]),
        GuestOp::KillProcess { pid } => ("killProcessInGuest", vec![pid.to_string()]),
        GuestOp::DeleteFile { path } => ("deleteFileInGuest", words(&[path])),
        GuestOp::CreateDirectory { path } => ("createDirectoryInGuest", words(&[path])),
        GuestOp::DeleteDirectory { path } => ("deleteDirectoryInGuest", words(&[path])),
        GuestOp::ListDirectory { path } => ("listDirectoryInGuest", words(&[path])),
        GuestOp::RenameFile { from, to } => ("renameFileInGuest", words(&[from, to])),
        GuestOp::CreateTempFile => ("createTempfileInGuest", vec![]),
        GuestOp::CopyToGuest { host, guest } => ("copyFileFromHostToGuest", words(&[host, guest])),
        GuestOp::CopyFromGuest { guest, host } => ("copyFileFromGuestToHost", words(&[guest, host])),
        GuestOp::TypeKeystrokes { keys } => ("typeKeystrokesInGuest", words(&[keys])),
        GuestOp::CaptureScreen { host } => ("captureScreen", words(&[host])),
    }
}
