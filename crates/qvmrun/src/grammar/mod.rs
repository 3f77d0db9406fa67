//! vmrun's command language, and the few verbs of our own.

mod call;
mod guest;
mod own;
mod words;

pub(crate) use call::{Call, How, Variables};
pub(crate) use guest::GuestOp;
pub(crate) use own::Own;
use words::Words;

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

/// The command's own name in a command line, if it has one: what comes after the flags.
pub(crate) fn command(args: &[String]) -> Option<&str> {
    let mut rest = args.iter();
    loop {
        let word = rest.next()?;
        if !word.starts_with('-') {
            return Some(word);
        }
        rest.next();
    }
}

/// Understands the arguments after the program's name.
pub(crate) fn parse(args: &[String]) -> Result<Call, Misuse> {
    let mut user = None;
    let mut rest = args;
    let command = loop {
        match rest {
            [] => return Err(Misuse::Bare),
            [flag, after @ ..] if flag.starts_with('-') => {
                if !["-T", "-h", "-P", "-u", "-p", "-vp", "-gu", "-gp"].contains(&flag.as_str()) {
                    return Err(Misuse::Argument(flag.clone()));
                }
                let (value, after) = after.split_first().ok_or(Misuse::TooFew)?;
                if flag == "-gu" {
                    user = Some(value.clone());
                }
                rest = after;
            }
            [command, after @ ..] => {
                rest = after;
                break command;
            }
        }
    };
    let lower = command.to_ascii_lowercase();
    if lower == "net" {
        return own::net(rest).map(Call::Own);
    }
    let mut w = Words::new(rest);
    let call = without_vmx(&lower, &mut w)?;
    let call = match call {
        Some(call) => call,
        None => with_vmx(&lower, &mut w, user)?.ok_or_else(|| Misuse::Command(command.clone()))?,
    };
    w.end()?;
    Ok(call)
}

fn without_vmx(command: &str, w: &mut Words<'_>) -> Result<Option<Call>, Misuse> {
    Ok(Some(match command {
        "list" => Call::List,
        "listhostnetworks" => Call::ListHostNetworks,
        "limits" => Call::Own(Own::Limits),
        "doctor" => Call::Own(Own::Doctor),
        "listportforwardings" => Call::ListPortForwardings { network: w.need()? },
        "setportforwarding" => {
            w.need()?;
            w.need()?;
            w.number::<u16>()?;
            w.need()?;
            w.number::<u16>()?;
            w.next();
            Call::ChangePortForwardings
        }
        "deleteportforwarding" => {
            w.need()?;
            w.need()?;
            w.number::<u16>()?;
            Call::ChangePortForwardings
        }
        "downloadphotonvm" => {
            w.need()?;
            Call::Unsupported { vmx: None }
        }
        _ => return Ok(None),
    }))
}

/// Commands whose first parameter is a .vmx.
fn with_vmx(command: &str, w: &mut Words<'_>, user: Option<String>) -> Result<Option<Call>, Misuse> {
    let given = w.next().map(str::to_owned);
    let vmx = given.clone().unwrap_or_default();
    let call = match command {
        "start" => {
            w.flag(&["gui", "nogui"]);
            Call::Start { vmx }
        }
        "stop" => Call::Stop { vmx, how: how(w) },
        "reset" => Call::Reset { vmx, how: how(w) },
        "suspend" => {
            how(w);
            Call::Suspend { vmx }
        }
        "pause" | "unpause" => Call::Pause { vmx, paused: command == "pause" },
        "listsnapshots" => Call::ListSnapshots { vmx, tree: w.flag(&["showTree"]).is_some() },
        "snapshot" => Call::Snapshot { vmx, name: w.need()? },
        "reverttosnapshot" => Call::RevertToSnapshot { vmx, name: w.need()? },
        "deletesnapshot" => {
            Call::DeleteSnapshot { vmx, name: w.need()?, children: w.flag(&["andDeleteChildren"]).is_some() }
        }
        "clone" => clone(vmx, w)?,
        "checktoolsstate" => Call::CheckToolsState { vmx },
        "getguestipaddress" => Call::GetGuestIpAddress { vmx, wait: w.flag(&["-wait"]).is_some() },
        "deletevm" => Call::DeleteVm { vmx },
        "upgradevm" => Call::UpgradeVm { vmx },
        "installtools" => Call::InstallTools { vmx },
        "addsharedfolder"
        | "setsharedfolderstate"
        | "removesharedfolder"
        | "enablesharedfolders"
        | "disablesharedfolders" => {
            w.all();
            Call::Unsupported { vmx: Some(vmx) }
        }
        "connectnameddevice" | "disconnectnameddevice" => {
            Call::SetDevice { vmx, device: w.need()?, connected: command.starts_with('c') }
        }
        "listnetworkadapters" => Call::ListNetworkAdapters { vmx },
        "addnetworkadapter" | "setnetworkadapter" => {
            let index = if command.starts_with('s') { Some(w.number()?) } else { None };
            let kind = w.need()?;
            Call::SetNetworkAdapter { vmx, index, kind, network: w.next().map(str::to_owned) }
        }
        "deletenetworkadapter" => Call::DeleteNetworkAdapter { vmx, index: w.number()? },
        "readvariable" => Call::ReadVariable { vmx, kind: variables(w)?, name: w.need()?, user },
        "writevariable" => Call::WriteVariable { vmx, kind: variables(w)?, name: w.need()?, value: w.need()?, user },
        _ => match guest::operation(command, w)? {
            Some(op) => Call::Guest { vmx, user, op },
            None => return Ok(None),
        },
    };
    given.ok_or(Misuse::TooFew)?;
    Ok(Some(call))
}

fn clone(vmx: String, w: &mut Words<'_>) -> Result<Call, Misuse> {
    let target = w.need()?;
    let linked = match w.flag(&["full", "linked"]) {
        Some(word) => word == "linked",
        None => return Err(Misuse::Argument(w.need()?)),
    };
    let (mut snapshot, mut name) = (None, None);
    loop {
        if let Some(value) = w.value("-snapshot")? {
            snapshot = Some(value);
        } else if let Some(value) = w.value("-cloneName")? {
            name = Some(value);
        } else {
            return Ok(Call::Clone { vmx, target, linked, snapshot, name });
        }
    }
}

fn how(w: &mut Words<'_>) -> How {
    if w.flag(&["hard", "soft"]) == Some("hard") { How::Hard } else { How::Soft }
}

fn variables(w: &mut Words<'_>) -> Result<Variables, Misuse> {
    Ok(match w.flag(&["runtimeConfig", "guestEnv", "guestVar"]) {
        Some("runtimeConfig") => Variables::Config,
        Some("guestEnv") => Variables::GuestEnv,
        Some(_) => Variables::GuestVar,
        None => return Err(Misuse::Argument(w.need()?)),
    })
}

#[cfg(test)]
mod tests;
