//! The way in: one command line, one answer.

use crate::engines::Engines;
use crate::grammar::{self, Call, Misuse, Own};
use crate::home::Home;
use crate::usage::USAGE;
use crate::vm_error::VmError;
use crate::{Failure, Reply, calls, child, container, doctor, faults, limits, net, qemu, verbs};

/// Answers one command line (the arguments after the program's name).
///
/// Reads `QVMRUN_HOME` (state folder) and `QVMRUN_ENGINE` (`auto`, `container`, `tcg`, `kvm`) from the environment.
/// vmrun's commands answer in vmrun's words on standard output with exit code 0 or 255; our own verbs (`net`,
/// `limits`, `doctor`) answer failures on standard error with exit code 1 or 2.
pub fn run(args: &[String]) -> Reply {
    if let Some(reply) = hidden(args) {
        return reply;
    }
    let home = match Home::from_env() {
        Ok(home) => home,
        Err(failure) => return Reply::failed(&failure),
    };
    let call = grammar::parse(args);
    if let Ok(Call::Own(Own::NetExec(command))) = &call {
        calls::record(&home, args, 0); // what follows takes this process's place
        return Reply::failed(&net::exec(&home, command));
    }
    let reply = match call {
        Ok(Call::Own(own)) => perform_own(&own, &home),
        Ok(call) => match faults::of(&home, grammar::command(args).unwrap_or_default()) {
            Ok(faults) => faults::around(&faults, &home, args, &call, || perform(&call, &home)),
            Err(failure) => Reply::failed(&failure),
        },
        Err(misuse) => refuse(&misuse),
    };
    calls::record(&home, args, reply.code);
    reply
}

/// Verbs with which qvmrun starts itself.
fn hidden(args: &[String]) -> Option<Reply> {
    let failure = match args.first().map(String::as_str)? {
        "__forward" => net::forward(),
        "__supervise" => container::supervise(args.get(1)?),
        "__inside" => container::become_inside(&args[1..]),
        "__machine" => qemu::supervise(args.get(1)?),
        "__child" => child::become_child(&args[1..]),
        "__holder" => child::become_holder(&args[1..]),
        _ => return None,
    };
    Some(failure.map_or_else(|f| Reply::failed(&f), |()| Reply::default()))
}

fn perform(call: &Call, home: &Home) -> Reply {
    let done = Engines::new(home).map_err(Into::into).and_then(|engines| verbs::perform(call, home, &engines));
    match done {
        Ok(stdout) => Reply::ok(stdout),
        Err(error @ VmError::GuestExit(_)) => Reply { stdout: format!("{error}\n"), code: 255, ..Reply::default() },
        Err(error) => Reply { stdout: format!("Error: {error}\n"), code: 255, ..Reply::default() },
    }
}

fn perform_own(own: &Own, home: &Home) -> Reply {
    let done = match own {
        Own::Limits => Ok(limits::text()),
        Own::Doctor => return doctor::reply(),
        Own::NetUp { address, prefix, mode, forwards } => {
            net::up(home, &net::Spec::new(*address, *prefix, *mode, forwards))
        }
        Own::NetShow => net::show(home),
        Own::NetDown => net::down(home),
        Own::NetExec(_) => Ok(String::new()),
    };
    done.map_or_else(|failure| Reply::failed(&failure), Reply::ok)
}

fn refuse(misuse: &Misuse) -> Reply {
    let stdout = match misuse {
        Misuse::Bare => USAGE.to_owned(),
        Misuse::Command(word) => format!("Error: Unrecognized command: {word}\n{USAGE}"),
        Misuse::Argument(word) => format!("Error: Invalid argument: {word}\n{USAGE}"),
        Misuse::TooFew => format!("Error: Insufficient number of arguments\n{USAGE}"),
        Misuse::Own(what) => return Reply::failed(&Failure::Usage { what: what.clone() }),
    };
    Reply { stdout, code: 255, ..Reply::default() }
}
