//! vmrun's command language, and the few verbs of our own.

use std::net::{IpAddr, SocketAddr};

/// How to stop or reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Soft,
    Hard,
}

/// One command line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    List,
    ListHostNetworks,
    Start {
        vmx: String,
    },
    Stop {
        vmx: String,
        how: How,
    },
    Reset {
        vmx: String,
        how: How,
    },
    CheckToolsState {
        vmx: String,
    },
    GetGuestIpAddress {
        vmx: String,
        wait: bool,
    },
    DeleteVm {
        vmx: String,
    },
    SetDevice {
        vmx: String,
        device: String,
        connected: bool,
    },
    /// A command that VMware has and no engine here has yet. With the .vmx, so that a missing one is said first.
    Unsupported {
        vmx: Option<String>,
    },
    Own(Own),
}

/// Verbs that vmrun does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Own {
    NetUp { address: IpAddr, prefix: u8, bridge: bool, forwards: Vec<SocketAddr> },
    NetShow,
    NetDown,
    NetExec(Vec<String>),
    Limits,
    Doctor,
}

/// Why a command line was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// No command at all: only the usage text.
    Bare,
    /// `Unrecognized command: X`.
    Command(String),
    /// `Invalid argument: X`.
    Argument(String),
    /// Too few parameters.
    TooFew,
    /// A verb of our own was used wrongly.
    Own(String),
}

/// Commands of vmrun 1.17 without an implementation here.
const UNSUPPORTED: &[&str] = &[
    "suspend",
    "pause",
    "unpause",
    "listSnapshots",
    "snapshot",
    "deleteSnapshot",
    "revertToSnapshot",
    "listNetworkAdapters",
    "addNetworkAdapter",
    "setNetworkAdapter",
    "deleteNetworkAdapter",
    "listPortForwardings",
    "setPortForwarding",
    "deletePortForwarding",
    "runProgramInGuest",
    "fileExistsInGuest",
    "directoryExistsInGuest",
    "setSharedFolderState",
    "addSharedFolder",
    "removeSharedFolder",
    "enableSharedFolders",
    "disableSharedFolders",
    "listProcessesInGuest",
    "killProcessInGuest",
    "runScriptInGuest",
    "deleteFileInGuest",
    "createDirectoryInGuest",
    "deleteDirectoryInGuest",
    "createTempfileInGuest",
    "listDirectoryInGuest",
    "copyFileFromHostToGuest",
    "copyFileFromGuestToHost",
    "renameFileInGuest",
    "typeKeystrokesInGuest",
    "captureScreen",
    "writeVariable",
    "readVariable",
    "upgradevm",
    "installTools",
    "clone",
    "downloadPhotonVM",
];

/// Commands of those whose first parameter is not a .vmx.
const WITHOUT_VMX: &[&str] = &["listPortForwardings", "setPortForwarding", "deletePortForwarding", "downloadPhotonVM"];

/// Understands the arguments after the program's name.
pub(crate) fn parse(args: &[String]) -> Result<Call, Misuse> {
    let mut rest = args.iter().map(String::as_str);
    let command = loop {
        match rest.next() {
            None => return Err(Misuse::Bare),
            Some("-T" | "-h" | "-P" | "-u" | "-p" | "-vp" | "-gu" | "-gp") => {
                rest.next().ok_or(Misuse::TooFew)?;
            }
            Some(flag) if flag.starts_with('-') => return Err(Misuse::Argument(flag.into())),
            Some(command) => break command,
        }
    };
    let rest: Vec<&str> = rest.collect();
    let is = |name: &str| command.eq_ignore_ascii_case(name);
    if is("net") {
        return net(&rest).map(Call::Own);
    }
    let call = if is("list") {
        return nothing_after(&rest, Call::List);
    } else if is("listHostNetworks") {
        return nothing_after(&rest, Call::ListHostNetworks);
    } else if is("limits") {
        return nothing_after(&rest, Call::Own(Own::Limits));
    } else if is("doctor") {
        return nothing_after(&rest, Call::Own(Own::Doctor));
    } else if let Some(name) = UNSUPPORTED.iter().find(|name| is(name)) {
        let vmx = if WITHOUT_VMX.contains(name) { None } else { Some(first(&rest)?) };
        return Ok(Call::Unsupported { vmx });
    } else if is("start") {
        option(&rest, &["gui", "nogui"])?;
        Call::Start { vmx: first(&rest)? }
    } else if is("stop") {
        Call::Stop { vmx: first(&rest)?, how: how(&rest)? }
    } else if is("reset") {
        Call::Reset { vmx: first(&rest)?, how: how(&rest)? }
    } else if is("checkToolsState") {
        option(&rest, &[])?;
        Call::CheckToolsState { vmx: first(&rest)? }
    } else if is("getGuestIPAddress") {
        let wait = option(&rest, &["-wait"])?.is_some();
        Call::GetGuestIpAddress { vmx: first(&rest)?, wait }
    } else if is("deleteVM") {
        option(&rest, &[])?;
        Call::DeleteVm { vmx: first(&rest)? }
    } else if is("connectNamedDevice") || is("disconnectNamedDevice") {
        let [vmx, device] = rest[..] else {
            return Err(rest.get(2).map_or(Misuse::TooFew, |extra| Misuse::Argument((*extra).into())));
        };
        Call::SetDevice { vmx: vmx.into(), device: device.into(), connected: is("connectNamedDevice") }
    } else {
        return Err(Misuse::Command(command.into()));
    };
    Ok(call)
}

fn nothing_after(rest: &[&str], call: Call) -> Result<Call, Misuse> {
    rest.first().map_or(Ok(call), |extra| Err(Misuse::Argument((*extra).into())))
}

fn first(rest: &[&str]) -> Result<String, Misuse> {
    rest.first().map(|s| (*s).to_owned()).ok_or(Misuse::TooFew)
}

/// The one optional word after the .vmx.
fn option<'a>(rest: &[&'a str], known: &[&str]) -> Result<Option<&'a str>, Misuse> {
    match rest {
        [] => Err(Misuse::TooFew),
        [_] => Ok(None),
        [_, word] if known.iter().any(|k| k.eq_ignore_ascii_case(word)) => Ok(Some(word)),
        [_, word] => Err(Misuse::Argument((*word).into())),
        [_, _, extra, ..] => Err(Misuse::Argument((*extra).into())),
    }
}

fn how(rest: &[&str]) -> Result<How, Misuse> {
    let word = option(rest, &["hard", "soft"])?;
    Ok(if word.is_some_and(|w| w.eq_ignore_ascii_case("hard")) { How::Hard } else { How::Soft })
}

fn net(rest: &[&str]) -> Result<Own, Misuse> {
    let bad = |what: String| Misuse::Own(what);
    match rest {
        ["show"] => Ok(Own::NetShow),
        ["down"] => Ok(Own::NetDown),
        ["exec", "--", command @ ..] if !command.is_empty() => {
            Ok(Own::NetExec(command.iter().map(|s| (*s).to_owned()).collect()))
        }
        ["exec", ..] => Err(bad("net exec -- COMMAND ARGS".into())),
        ["up", address, options @ ..] => {
            let parsed = address.split_once('/').and_then(|(a, p)| Some((a.parse().ok()?, p.parse().ok()?)));
            let Some((address, prefix)) = parsed.filter(|(a, p): &(IpAddr, u8)| a.is_ipv4() && (8..=30).contains(p))
            else {
                return Err(bad(format!("{address}: not an IPv4 ADDRESS/PREFIX")));
            };
            let (mut bridge, mut forwards) = (false, Vec::new());
            let mut options = options.iter();
            while let Some(option) = options.next() {
                match (*option, options.next().copied()) {
                    ("--mode", Some("bridge")) => bridge = true,
                    ("--mode", Some("namespace")) => bridge = false,
                    ("--forward", Some(to)) => {
                        forwards.push(to.parse().map_err(|_| bad(format!("{to}: not IP:PORT")))?);
                    }
                    (option, value) => return Err(bad(format!("{option} {}: not known", value.unwrap_or_default()))),
                }
            }
            Ok(Own::NetUp { address, prefix, bridge, forwards })
        }
        _ => Err(bad("net up ADDRESS/PREFIX, net show, net down or net exec -- COMMAND".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Result<Call, Misuse> {
        parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn flags_come_first_and_commands_are_known_in_any_case() {
        assert_eq!(call("-T ws list"), Ok(Call::List));
        assert_eq!(call("-T ws LISTHOSTNETWORKS"), Ok(Call::ListHostNetworks));
        assert_eq!(call("-T ws start /a.vmx nogui"), Ok(Call::Start { vmx: "/a.vmx".into() }));
        assert_eq!(call("Start /a.vmx"), Ok(Call::Start { vmx: "/a.vmx".into() }));
        assert_eq!(call("stop /a.vmx hard"), Ok(Call::Stop { vmx: "/a.vmx".into(), how: How::Hard }));
        assert_eq!(call("stop /a.vmx"), Ok(Call::Stop { vmx: "/a.vmx".into(), how: How::Soft }));
        assert_eq!(
            call("-T ws -gu a -gp b getguestipaddress /a.vmx -wait"),
            Ok(Call::GetGuestIpAddress { vmx: "/a.vmx".into(), wait: true })
        );
        let device = |connected| Call::SetDevice { vmx: "/a.vmx".into(), device: "sata0:1".into(), connected };
        assert_eq!(call("disconnectNamedDevice /a.vmx sata0:1"), Ok(device(false)));
        assert_eq!(call("connectNamedDevice /a.vmx sata0:1"), Ok(device(true)));
    }

    #[test]
    fn wrong_lines_are_refused_as_vmrun_does() {
        assert_eq!(call(""), Err(Misuse::Bare));
        assert_eq!(call("-T ws"), Err(Misuse::Bare));
        assert_eq!(call("-x list"), Err(Misuse::Argument("-x".into())));
        assert_eq!(call("frobnicate"), Err(Misuse::Command("frobnicate".into())));
        assert_eq!(call("unregister /a.vmx"), Err(Misuse::Command("unregister".into())));
        assert_eq!(call("start"), Err(Misuse::TooFew));
        assert_eq!(call("start /a.vmx -T"), Err(Misuse::Argument("-T".into())));
        assert_eq!(call("stop /a.vmx hard nogui"), Err(Misuse::Argument("nogui".into())));
        assert_eq!(call("list all"), Err(Misuse::Argument("all".into())));
        assert_eq!(call("connectNamedDevice /a.vmx"), Err(Misuse::TooFew));
    }

    #[test]
    fn what_vmware_has_and_we_do_not_is_known_by_name() {
        assert_eq!(call("snapshot /a.vmx s1"), Ok(Call::Unsupported { vmx: Some("/a.vmx".into()) }));
        assert_eq!(call("CopyFileFromHostToGuest /a.vmx a b"), Ok(Call::Unsupported { vmx: Some("/a.vmx".into()) }));
        assert_eq!(call("listPortForwardings vmnet8"), Ok(Call::Unsupported { vmx: None }));
    }

    #[test]
    fn our_own_verbs() {
        let up = call("net up 192.168.6.1/24 --mode bridge --forward 192.168.6.10:22").unwrap();
        let want = Own::NetUp {
            address: "192.168.6.1".parse().unwrap(),
            prefix: 24,
            bridge: true,
            forwards: vec!["192.168.6.10:22".parse().unwrap()],
        };
        assert_eq!(up, Call::Own(want));
        assert_eq!(call("net exec -- ip addr"), Ok(Call::Own(Own::NetExec(vec!["ip".into(), "addr".into()]))));
        for wrong in
            ["net", "net up", "net up 192.168.6.1", "net up 192.168.6.1/33", "net exec --", "net up fe80::1/64"]
        {
            assert!(matches!(call(wrong), Err(Misuse::Own(_))), "{wrong}");
        }
        assert!(matches!(call("net up 192.168.6.1/24 --forward x"), Err(Misuse::Own(_))));
    }
}
